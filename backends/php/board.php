<?php
/**
 * The Board in PHP: a router script that renders HTML and broadcasts each change. It holds no sockets.
 *
 *     ANYCABLE_SECRET=… PHP_CLI_SERVER_WORKERS=4 php -d display_errors=0 -S 127.0.0.1:3002 backends/php/board.php
 *
 * The order is that of board.py and board.rb: routes, broadcasts, the page, the store, the request, the answer.
 * Any PHP server that sends it every request can run it. The contract: backends/README.md.
 */
declare(strict_types=1);

namespace Board;

require_once __DIR__ . '/hotcable.php';

use Hotcable;

// Not blank, that is, not in Unicode's White_Space, nor U+FEFF: languages define a space differently.
const INK = '[^\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}]';
const TEXT = ['Content-Type: text/plain; charset=utf-8'];

/** Route => method, and handler, which makes a change, broadcasts each changed row, and answers Turbo with the same. */
function routes(): array {
    return [
        '/' => ['GET', show(...)],
        '/cards' => ['POST', fn() => announce(card_added(...), change(
            "INSERT INTO cards (body, author, backend) VALUES (?, ?, 'php') RETURNING *", ...read_form()))],
        '/cards/([0-9]+)/vote' => ['POST', fn($id) => announce(card_voted(...), change(
            'UPDATE cards SET votes = votes + 1 WHERE id = ? RETURNING *', $id))],
        '/cards/([0-9]+)/delete' => ['POST', fn($id) => announce(card_deleted(...), change(
            'DELETE FROM cards WHERE id = ? RETURNING *', $id))],
        '/clear' => ['POST', fn() => announce(board_cleared(...), fn($db) => [$db->query('DELETE FROM cards')->fetchAll()])], // all: once
        '/health' => ['GET', fn() => [200, TEXT, 'ok']],
    ];
}

function show(): array {
    // The position first, then the data: a card written in between is on the page and replayed, which shows it once.
    // In the other order it would be in neither, and the page would stay wrong.
    $position = Hotcable\position('board/1');
    $cards = database()->query('SELECT * FROM cards ORDER BY id')->fetchAll();
    // Only the first value that this server may have written counts; it reads nothing else in these headers.
    [$query, $cookies] = [$_SERVER['QUERY_STRING'] ?? '', $_SERVER['HTTP_COOKIE'] ?? ''];
    $find = fn(string $pattern, string $header) => preg_match($pattern, $header, $found) ? $found[1] : null;
    $known = $find('/(?:^|;) *visitor=([0-9a-f]{16}) *(?:;|$)/D', $cookies);
    $asked = $find('/(?:^|&)client=(anycable|rails)(?:&|$)/D', $query);
    $visitor = $known ?? bin2hex(random_bytes(8));
    $client = $asked ?? $find('/(?:^|;) *client=(anycable|rails) *(?:;|$)/D', $cookies) ?? 'anycable';
    $headers = ['Content-Type: text/html; charset=utf-8', 'Cache-Control: no-store'];
    foreach ([...($known ? [] : ["visitor=$visitor"]), ...($asked ? ["client=$client"] : [])] as $pair) {
        $headers[] = "Set-Cookie: $pair; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000";
    }
    return [200, $headers, page($cards, $position, $visitor, $client)];
}

// One line per kind of change; no other place names a target.
function card_added(array $c): string { return Hotcable\turbo_stream('append', 'cards', card($c)); }
function card_voted(array $c): string { return Hotcable\turbo_stream('replace', "card_$c[id]", card($c), ['method' => 'morph']); }
function card_deleted(array $c): string { return Hotcable\turbo_stream('remove', "card_$c[id]"); }
function board_cleared(array $_): string { return Hotcable\turbo_stream('refresh'); }

function page(array $cards, string $position, string $visitor, string $client): string {
    $assets = htmlspecialchars(getenv('HOTCABLE_ASSETS') ?: '/assets');
    $script = $client === 'rails' ? 'rails' : 'hotcable';
    $meta_tags = Hotcable\meta_tags(['visitor' => $visitor], cable_url());
    $stream_from = Hotcable\stream_from('board/1', $position);
    $items = implode("\n", array_map(card(...), $cards));
    $count = count($cards) === 1 ? '1 card' : count($cards) . ' cards';
    [$links, $version] = [links(), PHP_VERSION];
    return <<<HTML
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Board · PHP</title>
    <link rel="icon" href="$assets/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="$assets/board.css">
    <meta name="turbo-refresh-method" content="morph">
    <meta name="turbo-refresh-scroll" content="preserve">
    $meta_tags
    <script type="module" src="$assets/$script.js" data-turbo-track="reload"></script>
    <script type="module" src="$assets/board.js" data-turbo-track="reload"></script>
    </head>
    <body data-backend="php">
    <header>
    <h1><a href="/">Hotcable</a></h1>
    <hotcable-status id="cable-status" role="status" data-turbo-permanent><span>offline</span></hotcable-status>
    <nav class="demo" aria-label="Demo">
    <a href="/" aria-current="true">Board</a>
    <a href="/people">People</a>
    <a href="/answer">Answer</a>
    <a href="/compare">Compare</a>
    </nav>
    <p class="rendered">Rendered by <span class="badge" data-backend="php">PHP</span> <small>$version</small></p>
    <nav class="languages" aria-label="The same Board in other languages">
    $links
    </nav>
    </header>
    <main>
    $stream_from
    <form class="add" action="cards" method="post">
    <label for="card-body">Card</label>
    <input id="card-body" name="body" dir="auto" required maxlength="500" autocomplete="off" placeholder="What should everyone see?" data-turbo-permanent>
    <label for="card-author">Name</label>
    <input id="card-author" name="author" dir="auto" maxlength="40" autocomplete="nickname" placeholder="Your name" data-turbo-permanent>
    <button>Add</button>
    </form>
    <p id="board-note" role="status" data-turbo-permanent></p>
    <ol id="cards">
    $items
    </ol>
    <p id="board-news" role="status" data-turbo-permanent></p>
    <p class="empty">No cards yet. <a href="" target="_blank">Open this page in a second window</a>, then write a card above: both show it at once.</p>
    <footer>
    <p><span id="card-count">$count</span> on the board</p>
    <details class="clear"><summary>Clear the board</summary><form action="clear" method="post"><button>Delete all cards</button></form></details>
    </footer>
    </main>
    </body>
    </html>

    HTML;
}

function links(): string {
    $link = function (string $name, string $title): string {
        [$path, $current] = [$name === 'typescript' ? '/' : "/$name/", $name === 'php' ? ' aria-current="page"' : ''];
        return "<a href=\"$path\" data-backend=\"$name\"$current>$title</a>";
    };
    return implode("\n", array_map($link, array_keys(names()), names()));
}

/** Name => title of each language that has a Board; this one alone if its file was copied alone. */
function names(): array {
    static $names = null;
    $list = __DIR__ . '/../languages.json';
    $rows = $names === null && is_file($list) ? json_decode(file_get_contents($list), true) : [];
    $boards = array_filter($rows, fn($row) => isset($row['board']));
    return $names ??= array_map(fn($row) => $row['title'], $boards) ?: ['php' => 'PHP'];
}

/** The one partial for a card: the page renders it, and so does every stream. */
function card(array $c): string {
    ['id' => $id, 'body' => $body, 'author' => $author, 'backend' => $backend, 'votes' => $votes, 'created_at' => $at]
        = array_map(fn($value) => htmlspecialchars((string) $value), $c);
    [$name, $time] = [names()[$backend] ?? $backend, substr($at, 0, 10) . ' ' . substr($at, 11, 5)];
    return <<<HTML
    <li id="card_$id" class="card" data-backend="$backend"><p class="body" dir="auto">$body</p><p class="by"><span class="author" dir="auto">$author</span> <span class="badge" data-backend="$backend">$name</span> <time datetime="$at">$time UTC</time></p><form action="cards/$id/vote" method="post"><button class="vote" aria-label="Vote, $votes so far">▲ <b class="votes">$votes</b></button></form><details class="delete"><summary aria-label="Delete this card">✕</summary><form action="cards/$id/delete" method="post"><button>Delete</button></form></details></li>
    HTML;
}

function path(): string { return getenv('HOTCABLE_DB') ?: 'data/board.sqlite3'; }

function database(): \PDO {
    @mkdir(dirname(path()), recursive: true); // there already, or opening the database reports the problem
    $db = new \PDO('sqlite:' . path(), options: [\PDO::ATTR_TIMEOUT => 5, \PDO::ATTR_DEFAULT_FETCH_MODE => \PDO::FETCH_ASSOC]);
    try {
        $db->exec('PRAGMA journal_mode=WAL');
    } catch (\PDOException) { // busy: another language is switching it just now
    }
    $db->exec("CREATE TABLE IF NOT EXISTS cards (
      id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, author TEXT NOT NULL, backend TEXT NOT NULL,
      votes INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')))");
    return $db;
}

/** What one statement does; the rows it changes. An id stays text: SQLite compares it as a number of any size. */
function change(string $statement, string ...$values): \Closure {
    return function (\PDO $db) use ($statement, $values): array {
        $query = $db->prepare($statement);
        $query->execute($values);
        return $query->fetchAll();
    };
}

/** Broadcasts the change of each row, but not to the page that made it: that page gets the same as its answer. */
function announce(callable $happened, \Closure $change): array {
    [$db, $outbox, $exclude] = [database(), (bool) getenv('HOTCABLE_OUTBOX'), $_SERVER['HTTP_X_SOCKET_ID'] ?? null];
    $db->exec('BEGIN IMMEDIATE'); // after a plain BEGIN, as by beginTransaction(), SQLite does not wait for another writer
    $streams = array_map($happened, $change($db));
    // In the transaction of its change a broadcast is not lost, and arrives in the order of the commits.
    foreach ($outbox ? $streams : [] as $stream) {
        $row = Hotcable\publication('board/1', $stream, exclude: $exclude);
        $db->prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)')->execute([$row]);
    }
    $db->exec('COMMIT');
    // Without an outbox: commit first, broadcast after. In the other order a page can lose a card: it asks for its
    // position after the broadcast, and reads its cards before the commit. A cable that is down fails no form: the card
    // is stored, and when the cable is back, it begins a new epoch, and the pages that missed something heal.
    foreach ($outbox ? [] : $streams as $stream) {
        try {
            Hotcable\broadcast('board/1', $stream, exclude: $exclude, timeout: 0.5, retries: 2);
        } catch (\Exception $failed) {
            log("not broadcast: {$failed->getMessage()}");
        }
    }
    return $streams && Hotcable\wants_turbo_stream($_SERVER['HTTP_ACCEPT'] ?? null)
        ? [200, ['Content-Type: ' . Hotcable\TURBO_STREAM], implode($streams)]
        : [303, ['Location: ' . prefix() . '/'], ''];
}

/** An answer, not an error: the reason and the status. */
class Refused extends \Exception {}

function route(string $method, string $path): array {
    foreach (routes() as $pattern => [$allowed, $handler]) {
        if (!preg_match("~^$pattern$~D", $path, $ids)) {
            continue;
        }
        if ($allowed !== ($method === 'HEAD' ? 'GET' : $method)) {
            header('Allow: ' . ($allowed === 'GET' ? 'GET, HEAD' : $allowed));
            throw new Refused("$allowed only", 405);
        }
        if ($method === 'POST') {
            check_site();
        }
        return $handler(...array_slice($ids, 1));
    }
    throw new Refused('not found', 404);
}

/** A form of another site is refused. Over plain HTTP, as on a phone in the same network, a browser sends only Origin. */
function check_site(): void {
    [$site, $origin] = [$_SERVER['HTTP_SEC_FETCH_SITE'] ?? null, $_SERVER['HTTP_ORIGIN'] ?? null];
    if ($site === 'cross-site') {
        throw new Refused('another site may not change the board', 403);
    }
    if (in_array($site, ['same-origin', 'same-site', 'none'], true) || $origin === null) {
        return;
    }
    if ($origin === 'null') {
        throw new Refused('Origin: null hides which site this form is from', 403);
    }
    $name_and_port = '(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)\.?(?::([0-9]{1,5}))?'; // some proxies drop a dot at the end
    preg_match("~^https?://$name_and_port$~D", strtolower($origin), $sent);
    preg_match("~^$name_and_port$~D", strtolower(asked_host()), $asked);
    if (!$sent || !$asked || $sent[1] !== $asked[1] || (isset($sent[2], $asked[2]) && $sent[2] !== $asked[2])) {
        throw new Refused('Origin is not the host that was asked: another site may not change the board, and a proxy has to pass Host', 403);
    }
}

/** body and author, trimmed. A field that is missing is empty; of one that is repeated the first counts. */
function read_form(): array {
    if (strtolower(trim(explode(';', $_SERVER['CONTENT_TYPE'] ?? '')[0])) !== 'application/x-www-form-urlencoded') {
        throw new Refused('a form is application/x-www-form-urlencoded', 415);
    }
    $raw = file_get_contents('php://input', length: 2 ** 16 + 1);
    if (max(strlen($raw), (int) ($_SERVER['CONTENT_LENGTH'] ?? 0)) > 2 ** 16) { // PHP hides a form over post_max_size
        throw new Refused('64 KiB at most', 413);
    }
    if (!preg_match('//u', urldecode($raw))) {
        throw new Refused('a form is UTF-8', 422);
    }
    $form = [];
    foreach (explode('&', $raw) as $pair) { // by hand: parse_str makes arrays of body[] and lets the last one count
        [$name, $value] = explode('=', $pair, 2) + ['', ''];
        $form += [urldecode($name) => urldecode($value)];
    }
    $trim = fn(string $typed) => preg_match('/' . INK . '(?:.*' . INK . ')?/su', $typed, $found) ? $found[0] : '';
    [$body, $author] = [$trim($form['body'] ?? ''), $trim($form['author'] ?? '')];
    if ($body === '' || preg_match_all('/./su', $body) > 500 || preg_match_all('/./su', $author) > 40) {
        throw new Refused('body: 1 to 500 characters; author: 40 at most', 422);
    }
    return [$body, $author === '' ? 'anonymous' : $author];
}

function prefix(): string {
    $given = $_SERVER['HTTP_X_FORWARDED_PREFIX'] ?? '';
    return preg_match('~^(/[A-Za-z0-9_-]+)*$~D', $given) ? $given : ''; // //evil.example would lead to another site
}

/** The first value of a header that each proxy may add one to. */
function first(string $header): string { return trim(explode(',', $_SERVER[$header] ?? '')[0]); }

function asked_host(): string { return first('HTTP_X_FORWARDED_HOST') ?: first('HTTP_HOST'); }

function cable_url(): string {
    $scheme = first('HTTP_X_FORWARDED_PROTO') === 'https' ? 'wss' : 'ws';
    [$host, $port] = [asked_host(), first('HTTP_X_FORWARDED_PORT')];
    // The port that a proxy left out of Host. 80 and 443 are defaults, or of a proxy behind the one that ends TLS.
    if (preg_match('/^[1-9][0-9]{0,4}$/D', $port) && $port < 65536 && $port !== '80' && $port !== '443') {
        $host = preg_match('/:[0-9]+$/D', $host) ? $host : "$host:$port";
    }
    return getenv('ANYCABLE_WEBSOCKET_URL') ?: "$scheme://$host/cable";
}

function log(string $line): void { file_put_contents('php://stderr', "board.php: $line\n"); }

header_remove('X-Powered-By');
try {
    [$status, $headers, $body] = route($_SERVER['REQUEST_METHOD'], strtok($_SERVER['REQUEST_URI'], '?'));
} catch (Refused $refused) {
    [$status, $headers, $body] = [$refused->getCode(), TEXT, $refused->getMessage()];
} catch (\PDOException $error) {
    [$status, $headers, $body] = [503, [...TEXT, 'Retry-After: 1'], 'the database is locked: try again in a moment'];
    if ($error->errorInfo[1] !== 5) { // SQLITE_BUSY
        log(path() . ": {$error->getMessage()}");
        [$status, $headers, $body] = [500, TEXT, 'the database cannot be used; the log says why'];
    }
} catch (\Throwable $error) {
    log($error instanceof \InvalidArgumentException ? $error->getMessage() : (string) $error); // a missing secret is no bug
    [$status, $headers, $body] = [500, TEXT, 'something broke here; the log says what'];
}
http_response_code($status);
foreach ([...$headers, 'Content-Length: ' . strlen($body)] as $header) {
    header($header, replace: false);
}
echo $body;
