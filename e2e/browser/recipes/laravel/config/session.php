<?php
return ['driver' => 'file', 'files' => storage_path(), 'cookie' => 'session', 'lifetime' => 120, 'expire_on_close' => false,
    'lottery' => [0, 1], 'path' => '/', 'domain' => null, 'secure' => false];
