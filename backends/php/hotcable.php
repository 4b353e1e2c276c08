<?php
/**
 * Hotcable for PHP (8.1 or later): sign a stream name, issue a token, send HTML. Copy this one file.
 *
 * ANYCABLE_SECRET is the one setting needed; arguments win; backends/README.md has the rest. In this order nothing is
 * lost between query and subscription. A change is committed first: a page that is told too early reads the old data.
 *
 *     $position = Hotcable\position('board/1');                             how far the stream is
 *     $cards = query();                                                     the data
 *     $head = Hotcable\meta_tags(['visitor' => '7']);                       who the client is
 *     $body = Hotcable\stream_from('board/1', $position) . render($cards);  what it listens to
 *
 *     Hotcable\broadcast('board/1', Hotcable\turbo_stream('append', 'cards', '<li>Hello</li>'));
 */
declare(strict_types=1);

namespace Hotcable;

use SensitiveParameter as Hidden; // PHP 8.2 and later keep these out of stack traces

/** The cable did not take a broadcast. The message has its status and reason, or what kept it from answering. */
class BroadcastFailed extends \RuntimeException {}

/** A JWT that says who the client is, for $ttl seconds from $now (Unix seconds). Throws without a secret. */
function issue_token(array $identity, #[Hidden] ?string $secret = null, int $ttl = 3600, ?int $now = null): string {
    $secret = secret($secret, 'ANYCABLE_JWT_SECRET', 'ANYCABLE_SECRET');
    $claims = json(['ext' => json((object) $identity), 'exp' => ($now ?? time()) + $ttl]);
    $unsigned = base64url('{"alg":"HS256","typ":"JWT"}') . '.' . base64url($claims);
    return $unsigned . '.' . base64url(hash_hmac('sha256', $unsigned, $secret, true));
}

/** A stream's name with the proof that this backend lets a client listen to it; with $expires_in, for so many seconds
 *  from $now, in Rails' envelope, which anycable-go refuses. Throws without a secret. */
function sign_stream(string $stream, #[Hidden] ?string $secret = null, ?int $expires_in = null,
    ?int $now = null): string {
    $secret = secret($secret, 'ANYCABLE_TURBO_STREAMS_SECRET', 'ANYCABLE_STREAMS_SECRET', 'ANYCABLE_SECRET');
    $exp = $expires_in === null ? null : gmdate('Y-m-d\TH:i:s.000\Z', ($now ?? time()) + $expires_in);
    $encoded = base64_encode(json($exp === null ? $stream : ['_rails' => ['data' => $stream, 'exp' => $exp]]));
    return $encoded . '--' . hash_hmac('sha256', $encoded, $secret);
}

/** How far a stream is, "<offset>/<epoch>"; ask before the query. "-", unknown, on any failure or after 250 ms. */
function position(string $stream, ?string $url = null, #[Hidden] ?string $key = null): string {
    try {
        [$status, $body] = request('GET', '/position?stream=' . rawurlencode($stream), '', $url, $key, 0.25);
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

/** Three <meta> tags for a page's head: where the cable is, and issue_token's token. Throws without a secret. */
function meta_tags(array $identity, ?string $url = null, #[Hidden] ?string $secret = null, int $ttl = 3600,
    ?int $now = null): string {
    $url = $url ?: setting('ANYCABLE_WEBSOCKET_URL') ?? 'ws://localhost:8080/cable';
    $token = issue_token($identity, $secret, $ttl, $now);
    $with_token = $url . (str_contains($url, '?') ? '&' : '?') . "jid=$token"; // all that @hotwired/turbo-rails reads
    $tags = ['action-cable-url' => $with_token, 'cable-url' => $url, 'cable-token' => $token];
    $meta = fn($name, $content) => tag('meta', ['name' => $name, 'content' => $content]);
    return implode("\n", array_map($meta, array_keys($tags), $tags));
}

/** A <turbo-stream> tag, as ('append', 'cards', '<li>Hi</li>'). $html goes in as it is: escape what people type. */
function turbo_stream(string $action, ?string $target = null, string $html = '', array $attributes = []): string {
    $tag = ['action' => $action, 'target' => $action === 'refresh' ? null : $target];
    $template = in_array($action, ['remove', 'refresh'], true) ? '' : "<template>$html</template>";
    return tag('turbo-stream', $attributes + $tag) . $template . '</turbo-stream>';
}

/** The key for broadcasts that the cable derives from its secret. Throws without a secret. */
function broadcast_key(#[Hidden] ?string $secret = null): string {
    return hash_hmac('sha256', 'broadcast-cable', secret($secret, 'ANYCABLE_SECRET'));
}

/** Sends HTML to all who listen, in $timeout seconds. Commit first. BroadcastFailed unless the cable took it; no answer
 *  and a 5xx are tried $retries times more, after 0.1, 0.3, 0.9 and then every 2 s: it may arrive twice. */
function broadcast(string $stream, string $html, ?string $url = null, #[Hidden] ?string $key = null,
    float $timeout = 5, int $retries = 0): void {
    $body = json(['stream' => $stream, 'data' => json($html)]);
    for ($tried = 0; [$status, $reason] = request('POST', '', $body, $url, $key, $timeout); $tried++) {
        if ($status === 201) {
            return;
        }
        if ($tried >= $retries || $status !== 'nothing' && $status < 500) {
            throw new BroadcastFailed("the cable answered $status: " . substr($reason, 0, 200));
        }
        usleep((int) min(1e5 * 3 ** $tried, 2e6));
    }
}

function secret(#[Hidden] ?string $secret, string ...$names): string {
    $secret ??= setting(...$names) ?? ''; // anybody can forge what an empty key signs
    return $secret !== '' ? $secret : throw new \InvalidArgumentException('no secret: set ' . implode(' or ', $names));
}

function setting(string ...$names): ?string {
    foreach ($names as $name) {
        foreach ([getenv($name), $_ENV[$name] ?? ''] as $value) { // $_ENV alone has what Symfony reads from .env
            if ((string) $value !== '') {
                return $value;
            }
        }
    }
    return null;
}

function json(mixed $value): string {
    $as_stringify = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS; // JSON.stringify
    return json_encode($value, $as_stringify | JSON_THROW_ON_ERROR);
}

function base64url(string $bytes): string {
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function tag(string $name, array $attributes): string {
    foreach (array_filter($attributes, fn($value) => $value !== null) as $key => $value) {
        $name .= " $key=\"" . htmlspecialchars((string) $value, ENT_COMPAT | ENT_SUBSTITUTE) . '"';
    }
    return "<$name>";
}

function request(string $method, string $path, string $body, ?string $url, #[Hidden] ?string $key, float $timeout) {
    $deadline = hrtime(true) / 1e9 + $timeout; // over all, because a stream's own timeout starts anew with every byte
    $key = $key ?: setting('ANYCABLE_BROADCAST_KEY') ?? (setting('ANYCABLE_SECRET') === null ? 'none' : broadcast_key());
    if (preg_match('/[\x00-\x1f]/', $key)) {
        return ['nothing', 'the broadcast key has a line break in it'];
    }
    $port = $key === 'none' ? 8090 : 8080;
    $url = $url ?: setting('ANYCABLE_HTTP_BROADCAST_URL') ?? "http://localhost:$port/_broadcast";
    $tls = str_starts_with($url, 'https:');
    $at = (parse_url($url) ?: []) + ['host' => '?', 'port' => $tls ? 443 : 80, 'path' => ''];
    $send = "$method $at[path]$path HTTP/1.0\r\nHost: $at[host]:$at[port]\r\nContent-Type: application/json\r\n"
        . ($key === 'none' ? '' : "Authorization: Bearer $key\r\n")
        . 'Content-Length: ' . strlen($body) . "\r\n\r\n$body";
    if (!$link = @stream_socket_client(($tls ? 'tls' : 'tcp') . "://$at[host]:$at[port]", $code, $why, $timeout)) {
        return ['nothing', "$url: $why"];
    }
    [$answer, $why] = ['', 'not HTTP'];
    for (stream_set_blocking($link, false); !stream_get_meta_data($link)['eof'];) {
        [$read, $write, $except, $left] = [[$link], $send === '' ? [] : [$link], [], $deadline - hrtime(true) / 1e9];
        if ($left <= 0 || !stream_select($read, $write, $except, 0, (int) ($left * 1e6))) {
            $why = "took more than $timeout s";
            break;
        }
        $send = substr($send, $write ? (int) @fwrite($link, $send) : 0);
        $answer .= $read ? @fread($link, 65536) : '';
    }
    return preg_match('~^HTTP\S+ (\d+).*?\r\n\r\n(.*)~s', $answer, $is) ? [+$is[1], $is[2]] : ['nothing', "$url: $why"];
}
