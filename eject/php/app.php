<?php
/**
 * A page that is live: a note that one visitor adds appears on the open pages of all others. It runs under `npm start`.
 *
 * Any PHP server that sends it every request can run it. README.md says why the steps are in this order.
 */
declare(strict_types=1);

require __DIR__ . '/hotcable.php';

function show(): void
{
    $visitor = $_COOKIE['visitor'] ?? '';
    if (!is_string($visitor) || !preg_match('/^[0-9a-f]{16}$/D', $visitor)) {
        $visitor = bin2hex(random_bytes(8));
    }
    $position = Hotcable\position('notes');                                         // 1. the position
    $notes = database()->query('SELECT id, body FROM notes ORDER BY id')->fetchAll(); // 2. the query
    header('Cache-Control: no-store');
    setcookie('visitor', $visitor, ['path' => '/', 'httponly' => true, 'samesite' => 'Lax', 'expires' => time() + 31536000]);
    echo page($notes, $position, $visitor);                                         // 3. the page
}

function add(): void
{
    if (($_SERVER['HTTP_SEC_FETCH_SITE'] ?? '') === 'cross-site') {
        answer(403, 'A form of another site changes nothing here.');
        return;
    }
    $body = $_POST['body'] ?? '';
    $body = is_string($body) && preg_match('//u', $body) ? trim($body) : '';
    if (!preg_match('/^.{1,500}$/Dus', $body)) {
        answer(422, 'A note has 1 to 500 characters.');
        return;
    }
    $insert = database()->prepare('INSERT INTO notes (body) VALUES (?) RETURNING id, body');
    $insert->execute([$body]);
    $added = $insert->fetch();
    $insert->closeCursor();                                                         // 1. the commit
    try {
        Hotcable\broadcast('notes', Hotcable\turbo_stream('append', 'notes', note($added))); // 2. the broadcast
    } catch (Hotcable\BroadcastFailed $error) { // the note is saved: log it, and go on
        error_log("app: {$error->getMessage()}");
    }
    header('Location: /', true, 303);
}

/** The one partial of a note: the page has it, and the broadcast. */
function note(array $row): string
{
    return "<li id=\"note_{$row['id']}\">" . htmlspecialchars($row['body']) . '</li>';
}

function page(array $notes, string $position, string $visitor): string
{
    $meta = Hotcable\meta_tags(['visitor' => $visitor]);
    $script = Hotcable\script_tag();
    $stream = Hotcable\stream_from('notes', $position);
    $items = implode(array_map('note', $notes));
    return <<<HTML
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Notes</title>
    <link rel="icon" href="data:,">
    <style>
    :root { color-scheme: light dark; font: 1rem/1.5 system-ui }
    body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
    header { display: flex; gap: 1rem; align-items: center }
    h1 { margin: 0 }
    form { display: flex; flex-wrap: wrap; gap: .5rem }
    label { flex: 1; display: flex; gap: .5rem; align-items: center }
    input { flex: 1; min-width: 8rem }
    input, button { font: inherit; padding: .4rem .8rem; border: 1px solid GrayText; border-radius: .4rem }
    hotcable-status { padding: .1rem .6rem; border: 1px solid GrayText; border-radius: 1rem; font-size: .85rem }
    li { margin: .25rem 0; overflow-wrap: anywhere }
    </style>
    $meta
    $script
    </head>
    <body>
    <main>
    <header><h1>Notes</h1> <hotcable-status role="status"></hotcable-status></header>
    <p>Open this page in two windows: a note that you add in one appears in both.</p>
    $stream
    <form action="/notes" method="post"><label>Note <input name="body" required pattern=".*[^ ].*" title="1 to 500 characters" maxlength="500" autocomplete="off"></label> <button>Add</button></form>
    <ul id="notes">$items</ul>
    </main>
    </body>
    </html>

    HTML;
}

function database(): PDO
{
    $file = getenv('DATABASE_FILE') ?: 'data/app.sqlite3';
    if (!is_dir(dirname($file))) {
        mkdir(dirname($file), recursive: true);
    }
    $db = new PDO("sqlite:$file", options: [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC]);
    $db->exec('CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)');
    return $db;
}

function answer(int $status, string $text): void
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    echo "$text\n";
}

match ($_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    'GET /' => show(),
    'POST /notes' => add(),
    'GET /health' => answer(200, 'ok'),
    default => answer(404, 'There is no such page.'),
};
