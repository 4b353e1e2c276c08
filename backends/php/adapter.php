<?php
/** Answers questions about hotcable.php, a JSON line each: npm run check:backend -- php backends/php/adapter.php */
declare(strict_types=1);

require __DIR__ . '/hotcable.php';

const NAMES = [
    'sign_stream', 'issue_token', 'stream_from', 'source_tag', 'script_tag', 'turbo_stream', 'wants_turbo_stream',
    'broadcast_key', 'position', 'publication', 'broadcast', 'publish', 'disconnect',
    'answer_subscribe',
];

while (($line = fgets(STDIN)) !== false) {
    try {
        $ask = json_decode($line, true, flags: JSON_THROW_ON_ERROR);
        $name = in_array($ask['do'], NAMES, true) ? "Hotcable\\$ask[do]" : throw new ValueError('do what?');
        unset($ask['do']);
        $seen = [];
        if (isset($ask['allow'])) {
            $allowed = $ask['allow'];
            $ask['allow'] = function (array|string $identity, string $stream, array $headers) use (&$seen, $allowed) {
                $identity = is_array($identity) ? (object) $identity : $identity;
                $seen[] = Hotcable\json([$identity, $stream, (object) $headers]);
                return $allowed;
            };
        }
        $result = $name(...$ask);
        $result = is_array($result) ? implode(' ', [...$result, ...$seen]) : $result;
        $result = is_bool($result) ? ($result ? Hotcable\TURBO_STREAM : '') : $result;
        echo json_encode(['result' => $result], JSON_THROW_ON_ERROR), "\n";
    } catch (Throwable $error) {
        echo json_encode(['error' => $error->getMessage()], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    }
}
