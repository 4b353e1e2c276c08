<?php
return ['key' => str_repeat('canary. ', 4), 'cipher' => 'AES-256-CBC', 'timezone' => 'UTC', 'locale' => 'en', 'providers' => array_map(
    fn(string $name) => "Illuminate\\$name\\{$name}ServiceProvider",
    ['Cache', 'Cookie', 'Encryption', 'Filesystem', 'Session', 'Translation', 'View'],
)];
