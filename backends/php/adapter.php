<?php
/** Answers questions about hotcable.php, a JSON line each: npm run check:backend -- php backends/php/adapter.php */
declare(strict_types=1);

require __DIR__ . '/hotcable.php';

const NAMES = [
    'sign_stream', 'issue_token', 'stream_from', 'script_tag', 'turbo_stream', 'broadcast_key', 'position', 'broadcast',
];

while (($line = fgets(STDIN)) !== false) {
    try {
        $ask = json_decode($line, true, flags: JSON_THROW_ON_ERROR);
        $name = in_array($ask['do'], NAMES, true) ? "Hotcable\\$ask[do]" : throw new ValueError('do what?');
        unset($ask['do']);
        echo json_encode(['result' => $name(...$ask)], JSON_THROW_ON_ERROR), "\n";
    } catch (Throwable $error) {
        echo json_encode(['error' => $error->getMessage()], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    }
}
