<?php
/**
 * Hotcable for PHP (8.1 or later): sign a stream name, issue a token, send HTML. Copy this one file.
 *
 * ANYCABLE_SECRET is the one setting needed; arguments win; backends/README.md has the rest. In this order nothing is
 * lost between query and subscription. Commit first: a page that hears of a change too early reads the old data.
 *
 *     $position = Hotcable\position('board/1');                             how far its streams are
 *     $cards = query();                                                     the data
 *     $head = Hotcable\meta_tags(['visitor' => '7']);                       the client's identity
 *     $body = Hotcable\stream_from('board/1', $position) . render($cards);  the stream it listens to
 *
 *     Hotcable\broadcast('board/1', Hotcable\turbo_stream('append', 'cards', '<li>Hello</li>'));
 */
declare(strict_types=1);

namespace Hotcable;

use SensitiveParameter as Hidden; // PHP 8.2 and later keep these out of stack traces

const TURBO_STREAM = 'text/vnd.turbo-stream.html; charset=utf-8'; // the type of an answer that holds turbo_stream tags
const CABLE = 'ws://localhost:8080/cable';
const JSON = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS | JSON_THROW_ON_ERROR;

/** The cable did not take a broadcast. The message has its status and reason, or why it did not answer. */
class BroadcastFailed extends \RuntimeException {}

/** A JWT with the identity, for $ttl seconds from $now. Throws without a secret, or if text is not UTF-8. */
function issue_token(array $identity, #[Hidden] ?string $secret = null, int $ttl = 3600, ?int $now = null): string {
    $secret = secret($secret, 'ANYCABLE_JWT_SECRET', 'ANYCABLE_SECRET');
    $claims = json(['ext' => json((object) $identity), 'exp' => ($now ?? time()) + $ttl]);
    $unsigned = base64url('{"alg":"HS256","typ":"JWT"}') . '.' . base64url($claims);
    return $unsigned . '.' . base64url(hash_hmac('sha256', $unsigned, $secret, true));
}

/** A stream's name with the proof that a client may listen to it; with $expires_in, for so many seconds from $now, in
 *  Rails' envelope, which anycable-go refuses. Throws without a secret, and for a name that is not UTF-8. */
function sign_stream(string $stream, #[Hidden] ?string $secret = null, ?int $expires_in = null,
    ?int $now = null): string {
    $secret = secret($secret, 'ANYCABLE_TURBO_STREAMS_SECRET', 'ANYCABLE_STREAMS_SECRET', 'ANYCABLE_SECRET');
    $exp = $expires_in === null ? null : gmdate('Y-m-d\TH:i:s.000\Z', ($now ?? time()) + $expires_in);
    $encoded = base64_encode(json($exp === null ? $stream : ['_rails' => ['data' => $stream, 'exp' => $exp]]));
    return $encoded . '--' . hash_hmac('sha256', $encoded, $secret);
}

/** How far the cable is, "<offset>/<epoch>"; ask once for a page, before its queries: one position is valid for all
 *  streams, and their names may be left out. "-", unknown, on any failure or after 250 ms. */
function position(string|array $streams = [], ?string $url = null, #[Hidden] ?string $key = null): string {
    try {
        $query = implode('&', array_map(fn(string $stream) => 'stream=' . rawurlencode($stream), (array) $streams));
        $query = strlen($query) <= 4000 ? $query : ''; // a longer request may be refused, and the names are optional
        [$status, $body] = request('GET', '/position', $query, '', $url, $key, 0.25);
        $known = $status === 200 ? json_decode($body, true) : [];
        return preg_match('~^[0-9]+/[A-Za-z0-9_-]+$~D', $known['position'] ?? '-') ? $known['position'] : '-';
    } catch (\Throwable) { // a page without a position still works; a page that fails does not
        return '-';
    }
}

/** The tag that subscribes a page to a stream, from the position it was made at. Throws without a secret. */
function stream_from(string $stream, string $position, #[Hidden] ?string $secret = null, ?int $expires_in = null,
    ?int $now = null): string {
    $signed = sign_stream($stream, $secret, $expires_in, $now);
    // The id changes with the position: a morph then replaces the element, and the new one subscribes.
    $id = 'cable-' . substr($signed, -64, 8) . '-' . strtr($position, '/', '-');
    $tag = ['id' => $id, 'data-position' => $position, 'channel' => 'Turbo::StreamsChannel'];
    return tag('turbo-cable-stream-source', $tag + ['signed-stream-name' => $signed]) . '</turbo-cable-stream-source>';
}

/** The tag that subscribes a page to a stream or several by server-sent events, for which Turbo needs no other script.
 *  $url is by default /events on the cable's host; $secret is for names and token. Throws without a secret. */
function source_tag(string|array $streams, string $position, array $identity, ?string $url = null,
    #[Hidden] ?string $secret = null, int $ttl = 3600, ?int $expires_in = null, ?int $now = null): string {
    $names = array_map(fn(string $stream) => sign_stream($stream, $secret, $expires_in, $now), (array) $streams);
    $query = array_map(fn(string $name) => 'turbo_signed_stream_name=' . rawurlencode($name), $names);
    array_push($query, 'position=' . rawurlencode($position), 'jid=' . issue_token($identity, $secret, $ttl, $now));
    $url = $url ?: preg_replace('~^ws(s?://[^/?#]*).*~is', 'http$1/events', setting('ANYCABLE_WEBSOCKET_URL') ?? CABLE);
    $src = $url . (str_contains($url, '?') ? '&' : '?') . implode('&', $query);
    $id = 'source-' . substr($names[0], -64, 8) . '-' . strtr($position, '/', '-');
    return tag('turbo-stream-source', ['id' => $id, 'src' => $src]) . '</turbo-stream-source>';
}

/** Three <meta> tags for a page's head: where the cable is, and issue_token's token. Throws without a secret. */
function meta_tags(array $identity, ?string $url = null, #[Hidden] ?string $secret = null, int $ttl = 3600,
    ?int $now = null): string {
    $url = $url ?: setting('ANYCABLE_WEBSOCKET_URL') ?? CABLE;
    $token = issue_token($identity, $secret, $ttl, $now);
    $with_token = $url . (str_contains($url, '?') ? '&' : '?') . "jid=$token"; // all that @hotwired/turbo-rails reads
    $tags = ['action-cable-url' => $with_token, 'cable-url' => $url, 'cable-token' => $token];
    $meta = fn($name, $content) => tag('meta', ['name' => $name, 'content' => $content]);
    return implode("\n", array_map($meta, array_keys($tags), $tags));
}

/** The <script> tag that loads hotcable.js from the cable. A $url that ends in .js is the script's, any
 *  other the cable's. $nonce is the page's, for its Content-Security-Policy; with drive: false Turbo has no Drive. */
function script_tag(?string $url = null, ?string $nonce = null, bool $drive = true): string {
    preg_match('/^([^?#]*)[^#]*/', $url ?: setting('ANYCABLE_WEBSOCKET_URL') ?? CABLE, $at);
    $cable = preg_replace('~^ws(?=s?://)~i', 'http', rtrim($at[1], '/')) . '/hotcable.js';
    $src = str_ends_with($at[1], '.js') ? $at[0] : $cable;
    $src .= $drive ? '' : (str_contains($src, '?') ? '&' : '?') . 'drive=off';
    return tag('script', ['type' => 'module', 'src' => $src, 'nonce' => $nonce === '' ? null : $nonce]) . '</script>';
}

/** A <turbo-stream> tag, as ('append', 'cards', '<li>Hi</li>'). $html goes in as it is: escape typed text. */
function turbo_stream(string $action, ?string $target = null, string $html = '', array $attributes = []): string {
    $tag = ['action' => $action, 'target' => $action === 'refresh' ? null : $target];
    $template = in_array($action, ['remove', 'refresh'], true) ? '' : '<template>' . text($html) . '</template>';
    return tag('turbo-stream', $attributes + $tag) . $template . '</turbo-stream>';
}

/** Whether the Accept header of a request says that Turbo sent it: a form may be answered by turbo_stream tags. */
function wants_turbo_stream(?string $accept): bool {
    return (bool) preg_match('~(?:^|,)\s*text/vnd\.turbo-stream\.html\s*(?:[;,]|$)~i', $accept ?? '');
}

/** The key for broadcasts that the cable derives from its secret. Throws without a secret. */
function broadcast_key(#[Hidden] ?string $secret = null): string {
    return derived('broadcast-cable', $secret);
}

/** The JSON text of a broadcast, with a new id: for publish, or an outbox. Throws if the name is not UTF-8. */
function publication(string|\Stringable $stream, string|\Stringable $html, ?string $exclude = null,
    bool $transient = false, ?string $latest = null): string {
    $meta = ['id' => base64url(random_bytes(16))] + ($exclude ? ['exclude_socket' => text($exclude)] : [])
        + ($transient ? ['transient' => true] : []) + (($latest ?? '') === '' ? [] : ['key' => $latest]);
    return json(['stream' => "$stream", 'data' => json(text("$html")), 'meta' => $meta]);
}

/** Sends HTML to all subscribers but the client whose X-Socket-ID is $exclude, in $timeout seconds. Commit first. The
 *  cable replays none that is $transient, and only the newest of those with one name in $latest. Throws
 *  BroadcastFailed, and no other error (so the arguments have no types), if the cable did not take it. Without an answer, or after a
 *  5xx, tries $retries times more, after 0.1, 0.3, 0.9 and then every 2 s, not before Retry-After, with the same id. */
function broadcast($stream, $html, $url = null, #[Hidden] $key = null, $timeout = 5, $retries = 0, $exclude = null,
    $transient = false, $latest = null): void {
    post(fn() => publication($stream, $html, $exclude, $transient, $latest), $url, $key, $timeout, $retries);
}

/** Sends publications in one request: all of them or none. Fails and tries again as broadcast does. */
function publish($publications, $url = null, #[Hidden] $key = null, $timeout = 5, $retries = 0): void {
    post(fn() => '[' . implode(',', $publications) . ']', $url, $key, $timeout, $retries);
}

/** Ends all connections of an identity; without $reconnect its clients stay away until their page is loaded again. A
 *  token stays valid until it expires. Fails and tries again as broadcast does. */
function disconnect($identity, $reconnect = true, $url = null, #[Hidden] $key = null, $timeout = 5,
    $retries = 0): void {
    $payload = fn() => ['identifier' => json((object) $identity), 'reconnect' => $reconnect];
    post(fn() => json(['command' => 'disconnect', 'payload' => $payload()]), $url, $key, $timeout, $retries);
}

/** The answer to a cable that asks whether a client may listen to a stream (--subscribe_url): status and JSON. $allow gets
 *  identity, stream and headers, and returns true, false, or the Unix time until which it may. An error of $allow is your
 *  answer 500: the cable asks again. Throws without a key or a secret. */
function answer_subscribe(?string $authorization, string $body, callable $allow, #[Hidden] ?string $key = null,
    #[Hidden] ?string $secret = null, ?int $now = null): array {
    $right = 'Bearer ' . ($key ?: setting('HOTCABLE_SUBSCRIBE_KEY') ?? derived('subscribe-cable', $secret));
    if (!hash_equals($right, $authorization ?? '')) {
        return [401, '{"error":"unauthorized"}'];
    }
    $asked = json_decode($body);
    [$identity, $stream] = [$asked->identity ?? null, $asked->stream ?? null];
    if (!is_string($identity) || !is_string($stream)) {
        return [422, '{"error":"malformed"}'];
    }
    $object = json_decode($identity);
    $allowed = $allow(is_object($object) ? (array) $object : $identity, $stream, (array) ($asked->headers ?? []));
    is_bool($allowed) || is_int($allowed) || throw new \TypeError('$allow must return true, false or a time');
    $is_later = is_int($allowed) && $allowed > ($now ?? time());
    return [200, json(['allowed' => $allowed === true || $is_later] + ($is_later ? ['until' => $allowed] : []))];
}

function post(\Closure $make, $url, #[Hidden] $key, $timeout, $retries): void {
    try {
        $body = $make();
        for ($tried = 0, $again = true; $again; $tried++) {
            [$status, $reason, , $after] = request('POST', '', '', $body, $url, $key, (float) $timeout) + [3 => -1];
            $is_busy = $status === 'nothing' || $status >= 500 || $status === 429 && $after >= 0;
            $again = $is_busy && $tried < (int) $retries && $after <= ((int) $retries - $tried) * $timeout;
            $again && usleep((int) max(min(1e5 * 3 ** $tried, 2e6), $after * 1e6));
        }
    } catch (\Throwable $error) { // for example, a name that is not UTF-8
        throw new BroadcastFailed('the cable was not asked: ' . $error->getMessage(), 0, $error);
    }
    $status === 201 || throw new BroadcastFailed("the cable answered $status: " . text(substr($reason, 0, 200)));
}

function secret(#[Hidden] ?string $secret, string ...$names): string {
    $secret ??= setting(...$names) ?? ''; // an empty key protects nothing
    return $secret !== '' ? $secret : throw new \InvalidArgumentException('no secret: set ' . implode(' or ', $names));
}

function derived(string $phrase, #[Hidden] ?string $secret): string {
    return hash_hmac('sha256', $phrase, secret($secret, 'ANYCABLE_SECRET'));
}

function setting(string ...$names): ?string {
    $values = array_merge(...array_map(fn($name) => [getenv($name), $_ENV[$name] ?? ''], $names)); // Symfony: $_ENV
    return array_values(array_filter($values, fn($value) => (string) $value !== ''))[0] ?? null;
}

function text(string $text): string { return json_decode(json_encode($text, JSON_INVALID_UTF8_SUBSTITUTE)); }
function is_late(float $deadline): bool { return hrtime(true) / 1e9 >= $deadline; }
function json(mixed $value): string { return json_encode($value, JSON); } // as JSON.stringify prints it
function base64url(string $bytes): string { return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '='); }

function tag(string $name, array $attributes): string {
    foreach (array_filter($attributes, fn($value) => $value !== null) as $key => $value) {
        $name .= " $key=\"" . htmlspecialchars((string) $value, ENT_COMPAT | ENT_SUBSTITUTE) . '"';
    }
    return "<$name>";
}

function request(string $method, string $path, string $query, string $body, ?string $url, #[Hidden] ?string $key,
    float $timeout): array {
    $deadline = hrtime(true) / 1e9 + $timeout; // over all, because a stream's own timeout starts anew with every byte
    $key = $key ?: setting('ANYCABLE_BROADCAST_KEY') ?? (setting('ANYCABLE_SECRET') === null ? 'none' : broadcast_key());
    $port = $key === 'none' ? 8090 : 8080;
    $given = $url ?: setting('ANYCABLE_HTTP_BROADCAST_URL');
    $url = $given ?? "http://localhost:$port/_broadcast";
    $fault = preg_match('~^http(s?)://~i', $url, $is) ? '' : 'the URL must begin with http:// or https://';
    if ($fault = preg_match('/[\x00-\x1f]/', $key) ? 'the broadcast key has a line break in it' : $fault) {
        return ['nothing', $fault];
    }
    $tls = $is[1] !== '';
    $is_guess = $given === null && $port === 8090 && setting('ANYCABLE_SECRET') === null;
    $shown = preg_replace('~(?<=//)[^/]*@|[?#].*~s', '', $url) // both may be secret
        . ($is_guess ? ' (ANYCABLE_SECRET is missing; with it the port is 8080)' : '');
    $at = (parse_url($url) ?: []) + ['host' => '?', 'port' => $tls ? 443 : 80, 'path' => '', 'query' => ''];
    $target = ($path === '' ? $at['path'] : rtrim($at['path'], '/') . $path) ?: '/';
    $query = implode('&', array_filter([$at['query'], $query], fn($part) => $part !== ''));
    $send = "$method $target" . ($query === '' ? '' : "?$query") . " HTTP/1.1\r\nHost: $at[host]:$at[port]\r\n"
        . ($key === 'none' ? '' : "Authorization: Bearer $key\r\n") . "Connection: close\r\n"
        . "Content-Type: application/json\r\nContent-Length: " . strlen($body) . "\r\n\r\n$body";
    [$link, $why] = connect($at['host'], $at['port'], $tls, $deadline);
    // Sends, and reads until the answer is whole, longer than any reason, or late.
    for ($answer = '', $sent = 0, $is_whole = !$link;
        !$is_whole && strlen($answer) < 65536 && !stream_get_meta_data($link)['eof'] && !is_late($deadline);) {
        $wrote = $sent < strlen($send) ? @fwrite($link, substr($send, $sent, 65536)) : 0;
        $sent += $wrote === false ? strlen($send) : $wrote; // a cable may hang up before it has read a long body
        $answer .= $read = (string) @fread($link, 65536);
        $is_whole = $read !== '' && (parse($answer)[2] ?? false);
        $wrote || $read !== '' || usleep(500); // stream_select fails when more than 1,024 files are open
    }
    return parse($answer) ?? ['nothing', "$shown: " . (is_late($deadline) ? "took more than $timeout s" : $why)];
}

/** Returns a non-blocking stream, or null, and the reason of a failure. */
function connect(string $host, int $port, bool $tls, float $deadline): array {
    $whys = new \ArrayObject(['not HTTP']);
    set_error_handler(fn(int $level, string $message) => (bool) $whys[] = $message);
    [$link, $context] = [false, stream_context_create(['ssl' => ['peer_name' => $host]])];
    foreach (addresses($host, $deadline) as $address) {
        $left = max($deadline - hrtime(true) / 1e9, 0);
        $link = $link ?: stream_socket_client("tcp://$address:$port", $_, $_, $left, STREAM_CLIENT_CONNECT, $context);
    }
    $link && stream_set_blocking($link, false);
    for ($is_ready = $link && !$tls ?: 0; $link && $is_ready === 0 && !is_late($deadline); usleep(500)) {
        $is_ready = stream_socket_enable_crypto($link, true, STREAM_CRYPTO_METHOD_TLS_CLIENT);
    }
    restore_error_handler();
    return [$is_ready ? $link : null, $whys[1] ?? $whys[0]];
}

/** The status, the text, whether it is complete, the seconds of Retry-After or -1; null before the head has arrived. */
function parse(string $answer): ?array {
    // A 1xx, for example 103, comes before the answer.
    if (!preg_match('~^(?:HTTP/\S+ 1\d\d.*?\r\n\r\n)*+HTTP/\S+ (\d+)(.*?\r\n)\r\n(.*)~s', $answer, $is)) {
        return null;
    }
    [, $status, $head, $body] = $is;
    $after = preg_match('~^Retry-After: *(\d+)\r$~im', $head, $is) ? (float) $is[1] : -1;
    if (preg_match('~^Transfer-Encoding:.*chunked~im', $head)) {
        for ([$text, $at, $size] = ['', 0, null]; $size !== 0
            && preg_match('~\G([0-9a-f]{1,15})\b.*\n~i', $body, $is, 0, $at); $at += strlen($is[0]) + $size + 2) {
            $text .= substr($body, $at + strlen($is[0]), $size = hexdec($is[1]));
        }
        return [(int) $status, $text, $size === 0, $after];
    }
    $length = preg_match('~^Content-Length: *(\d+)~im', $head, $is) ? (int) $is[1] : ($status === '204' ? 0 : INF);
    return [(int) $status, $body, strlen($body) >= $length, $after];
}

/** The addresses of a host, or the host itself if PHP may look it up. Nothing can interrupt PHP while a name server is
 *  silent, so the name servers are asked here first. */
function addresses(string $host, float $deadline, string $etc = '/etc', int $port = 53): array {
    $local = preg_replace('/#.*/', '', (string) @file_get_contents("$etc/hosts")) . "\nlocalhost ";
    $setup = (string) @file_get_contents("$etc/resolv.conf");
    $is_name = preg_match('~^(?![\d.]+$)(?:[\w-]{1,63}+(?:\.|$))++$~', $host);
    $is_local = preg_match('~\s' . preg_quote($host, '~') . '\s~i', $local);
    if (!$is_name || $is_local || !preg_match_all('~^\s*nameserver\s+([\w.:]+)~m', $setup, $servers)) {
        return [$host];
    }
    $domains = preg_match('~^\s*(?:search|domain)\s+(.*)~m', $setup, $is) ? preg_split('~\s+~', trim($is[1])) : [];
    $names = array_map(fn($domain) => "$host.$domain", str_ends_with($host, '.') ? [] : $domains);
    $dots = preg_match('~\bndots:(\d+)~', $setup, $is) ? (int) $is[1] : 1;
    $found = [];
    foreach (substr_count($host, '.') >= $dots ? [$host, ...$names] : [...$names, $host] as $name) {
        $found = $found ?: look_up(rtrim($name, '.'), $servers[1], $port, $deadline);
    }
    // If the name servers know no address, they are quick to say so.
    return $found ?: (is_late($deadline) ? [] : [$host]);
}

/** The IPv4 addresses of the first of the name servers that answers; none when it knows none, or it is late. */
function look_up(string $name, array $servers, int $port, float $deadline): array {
    $labels = array_map(fn($label) => chr(strlen($label)) . $label, explode('.', $name));
    $query = random_bytes(2) . "\1\0\0\1\0\0\0\0\0\0" . implode($labels) . "\0\0\1\0\1";
    $host = fn(string $server) => str_contains($server, ':') ? "[$server]" : $server;
    $links = array_map(fn(string $server) => @stream_socket_client("udp://{$host($server)}:$port"), $servers);
    array_walk($links, fn($link) => $link && stream_set_blocking($link, false));
    for ($round = 0; ($links = array_filter($links)) && !is_late($deadline); usleep(500)) {
        $is_time = $round++ % 2000 === 0; // once a second, because a datagram may be lost
        foreach ($links as &$link) {
            $is_time && @fwrite($link, $query);
            $reply = (string) @fread($link, 4096);
            $is_reply = strlen($reply) >= strlen($query) && str_starts_with($reply, substr($query, 0, 2));
            if ($is_reply && in_array(ord($reply[3]) & 15, [0, 3], true)) { // reply code: success, or no such name
                preg_match_all('~\x00\x01\x00\x01.{4}\x00\x04(.{4})~s', $reply, $is, 0, strlen($query));
                return array_map('inet_ntop', $is[1]);
            }
            $link = $is_reply || stream_get_meta_data($link)['eof'] ? null : $link;
        }
    }
    return [];
}
