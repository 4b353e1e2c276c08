<?php
/** Signs on demand, for e2e/languages.test.ts: a JSON line with a question in, a JSON line with the result out. */
declare(strict_types=1);

require __DIR__ . '/hotcable.php';

while (($line = fgets(STDIN)) !== false) {
    try {
        $ask = json_decode($line, true, flags: JSON_THROW_ON_ERROR);
        $do = $ask['do'];
        unset($ask['do']);
        $functions = ['sign_stream', 'issue_token', 'stream_from', 'turbo_stream'];
        $result = in_array($do, $functions, true) ? "Hotcable\\$do"(...$ask) : throw new ValueError('do what?');
        echo json_encode(['result' => $result], JSON_THROW_ON_ERROR), "\n";
    } catch (Throwable $error) {
        echo json_encode(['error' => $error->getMessage()], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    }
}
