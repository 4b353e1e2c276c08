// Package hotcable, for Go (1.19 or later): sign a stream name, issue a token, send HTML. Copy this one file.
//
// ANYCABLE_SECRET is the one setting needed; options win; backends/README.md has the rest. In this order nothing is
// lost between query and subscription. Commit first: a page that hears of a change too early reads the old data.
//
//	position := hotcable.Position("board/1")                   // how far its streams are
//	cards := query()                                           // the data
//	head, err := hotcable.MetaTags(Identity{Visitor: "7"})     // the client's identity
//	source, err := hotcable.StreamFrom("board/1", position)    // the stream it listens to; the cards come after it
//
//	err = hotcable.Broadcast("board/1", hotcable.TurboStream("append", "cards", "<li>Hello</li>"))
package hotcable

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// BroadcastFailed means that the cable did not take a broadcast: its status and reason, or why it did not answer.
type BroadcastFailed string

func (failed BroadcastFailed) Error() string { return string(failed) }

const TurboStreamType = "text/vnd.turbo-stream.html; charset=utf-8" // of an answer that holds TurboStream's tags
const None = "\x00"                                                 // as an attribute or a target: leaves it out
const cable = "ws://localhost:8080/cable"

// Option is an argument that may be absent; each function says which ones it takes.
type Option func(*options)

type options struct {
	secret          *string
	url, key, nonce string
	ttl, timeout    time.Duration
	expiresIn       *time.Duration
	now             time.Time
	retries         int
	noDrive         bool
	meta            struct {
		ID        string `json:"id"`
		Exclude   string `json:"exclude_socket,omitempty"`
		Transient bool   `json:"transient,omitempty"`
		Latest    string `json:"key,omitempty"`
	}
}

func Secret(secret string) Option          { return func(o *options) { o.secret = &secret } }
func TTL(ttl time.Duration) Option         { return func(o *options) { o.ttl = ttl } }
func ExpiresIn(lasts time.Duration) Option { return func(o *options) { o.expiresIn = &lasts } }
func Now(now time.Time) Option             { return func(o *options) { o.now = now } }
func URL(url string) Option                { return func(o *options) { o.url = url } }
func Nonce(nonce string) Option            { return func(o *options) { o.nonce = nonce } }
func Drive(drive bool) Option              { return func(o *options) { o.noDrive = !drive } }
func Key(key string) Option                { return func(o *options) { o.key = key } }
func Timeout(timeout time.Duration) Option { return func(o *options) { o.timeout = timeout } }
func Retries(retries int) Option           { return func(o *options) { o.retries = retries } }
func Exclude(socketID string) Option       { return func(o *options) { o.meta.Exclude = text(socketID) } }
func Transient(transient bool) Option      { return func(o *options) { o.meta.Transient = transient } }
func Latest(name string) Option            { return func(o *options) { o.meta.Latest = name } }

// IssueToken makes a JWT with the client's identity, for an hour or TTL from Now. The fields of a struct keep their
// order, the keys of a map are sorted. An error without a secret, or if text is not UTF-8. Options: Secret, TTL, Now.
func IssueToken(identity any, given ...Option) (string, error) {
	o := read(given)
	ext, err := stringify(identity)
	key, err := o.secretOf(err, "ANYCABLE_JWT_SECRET", "ANYCABLE_SECRET")
	if err != nil {
		return "", err
	}
	quoted, _ := stringify(ext)
	claims := fmt.Sprintf(`{"ext":%s,"exp":%d}`, quoted, o.now.Unix()+int64(o.ttl/time.Second))
	unsigned := base64url(`{"alg":"HS256","typ":"JWT"}`) + "." + base64url(claims)
	return unsigned + "." + base64url(digest(key, unsigned)), nil
}

// SignStream returns a stream's name with the proof that this backend lets a client listen to it; with ExpiresIn for so
// long from Now, in Rails' envelope, which anycable-go refuses. An error without a secret, and for a name that is not
// UTF-8. Options: Secret, ExpiresIn, Now.
func SignStream(stream string, given ...Option) (string, error) {
	o := read(given)
	name, err := stringify(stream)
	key, err := o.secretOf(err, "ANYCABLE_TURBO_STREAMS_SECRET", "ANYCABLE_STREAMS_SECRET", "ANYCABLE_SECRET")
	if err != nil {
		return "", err
	}
	if o.expiresIn != nil {
		exp := time.Unix(o.now.Unix()+int64(*o.expiresIn/time.Second), 0).UTC()
		name = fmt.Sprintf(`{"_rails":{"data":%s,"exp":"%s"}}`, name, exp.Format("2006-01-02T15:04:05.000Z"))
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(name))
	return encoded + "--" + fmt.Sprintf("%x", digest(key, encoded)), nil
}

// Position says how far the cable is, "<offset>/<epoch>"; ask once for a page, before its queries: one position is
// valid for all streams, and their names, strings, may be left out. "-", unknown, on any failure or after 250 ms.
// Options: URL, Key.
func Position(streams ...any) string {
	o := read(nil)
	o.timeout = 250 * time.Millisecond
	var names []string
	for _, each := range streams {
		if name, is := each.(string); is {
			names = append(names, "stream="+escape(name))
		} else if set, is := each.(Option); is {
			set(o)
		}
	}
	query := strings.Join(names, "&")
	if len(query) > 4000 { // a longer request may be refused, and the names are optional
		query = ""
	}
	status, body, _ := o.request("GET", "/position", query, "")
	var known struct{ Position string }
	if status == "200" && json.Unmarshal([]byte(body), &known) == nil && positions.MatchString(known.Position) {
		return known.Position
	}
	return "-" // a page without a position still works; a page that fails does not
}

// StreamFrom makes the tag that subscribes a page to a stream, from the position it was made at. An error without a
// secret. Options: Secret, ExpiresIn, Now.
func StreamFrom(stream, position string, given ...Option) (string, error) {
	signed, err := SignStream(stream, given...)
	if err != nil {
		return "", err
	}
	// The id changes with the position: a morph then replaces the element, and the new one subscribes.
	id := "cable-" + signed[len(signed)-64:len(signed)-56] + "-" + strings.ReplaceAll(position, "/", "-")
	open := tag("turbo-cable-stream-source", "id", id, "data-position", position,
		"channel", "Turbo::StreamsChannel", "signed-stream-name", signed)
	return open + "</turbo-cable-stream-source>", nil
}

// SourceTag makes the tag that subscribes a page to streams by server-sent events. URL is by default /events on the
// cable's host; Secret is for names and token. An error without a secret. Options: URL, Secret, TTL, ExpiresIn, Now.
func SourceTag(streams []string, position string, identity any, given ...Option) (string, error) {
	var query, digits string
	for _, stream := range streams {
		signed, err := SignStream(stream, given...)
		if err != nil {
			return "", err
		}
		query += "turbo_signed_stream_name=" + url.QueryEscape(signed) + "&"
		digits = first(digits, signed[len(signed)-64:len(signed)-56])
	}
	token, err := IssueToken(identity, given...)
	events := webSocket.ReplaceAllString(first(os.Getenv("ANYCABLE_WEBSOCKET_URL"), cable), "http$1/events")
	src := withQuery(first(read(given).url, events), query+"position="+escape(position)+"&jid="+token)
	id := "source-" + digits + "-" + strings.ReplaceAll(position, "/", "-")
	return tag("turbo-stream-source", "id", id, "src", src) + "</turbo-stream-source>", err
}

// MetaTags makes three <meta> tags for a page's head: where the cable is, and IssueToken's token. An error without a
// secret. Options: URL, Secret, TTL, Now.
func MetaTags(identity any, given ...Option) (string, error) {
	token, err := IssueToken(identity, given...)
	if err != nil {
		return "", err
	}
	at := first(read(given).url, os.Getenv("ANYCABLE_WEBSOCKET_URL"), cable)
	withToken := withQuery(at, "jid="+token) // all that @hotwired/turbo-rails reads
	return tag("meta", "name", "action-cable-url", "content", withToken) + "\n" +
		tag("meta", "name", "cable-url", "content", at) + "\n" +
		tag("meta", "name", "cable-token", "content", token), nil
}

// ScriptTag makes the <script> tag that loads hotcable.js from the cable. A URL that ends in .js is the script's, any
// other the cable's. Nonce is for a Content-Security-Policy; Drive(false) leaves Drive out. Options: URL, Nonce, Drive.
func ScriptTag(given ...Option) string {
	o := read(given)
	src, _, _ := strings.Cut(first(o.url, os.Getenv("ANYCABLE_WEBSOCKET_URL"), cable), "#")
	if path, _, _ := strings.Cut(src, "?"); !strings.HasSuffix(path, ".js") {
		src = webSocket.ReplaceAllString(strings.TrimRight(path, "/"), "http$1$2") + "/hotcable.js"
	}
	if o.noDrive {
		src = withQuery(src, "drive=off")
	}
	return tag("script", "type", "module", "src", src, "nonce", first(o.nonce, None)) + "</script>"
}

// TurboStream makes a <turbo-stream> tag, as ("append", "cards", "<li>Hi</li>"); attributes are names and values by
// turns. html goes in as it is: escape typed text.
func TurboStream(action, target, html string, attributes ...string) string {
	template := map[bool]string{false: "<template>" + text(html) + "</template>"}[action == "remove" || action == "refresh"]
	target = map[bool]string{true: None, false: target}[action == "refresh"]
	pairs := append(append([]string{}, attributes...), "action", action, "target", target)
	return tag("turbo-stream", pairs...) + template + "</turbo-stream>"
}

// WantsTurboStream says whether a request, by its Accept, is of Turbo: TurboStream's tags may answer a form.
func WantsTurboStream(accept string) bool { return turboType.MatchString(accept) }

// BroadcastKey is the key for broadcasts that the cable derives from its secret. An error without a secret.
// Options: Secret.
func BroadcastKey(given ...Option) (string, error) {
	return read(given).derived("broadcast-cable")
}

// Publication returns the JSON text of a broadcast, with a new id: for Publish, or an outbox. An error if the name is
// not UTF-8. Options: Exclude, Transient, Latest.
func Publication(stream, html string, given ...Option) (string, error) {
	o := read(given)
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	o.meta.ID = base64url(string(random))
	data, _ := stringify(text(html))
	return stringify(struct {
		Stream string `json:"stream"`
		Data   string `json:"data"`
		Meta   any    `json:"meta"`
	}{stream, data, o.meta})
}

// Broadcast sends HTML to all subscribers but the client whose X-Socket-ID is Exclude, in 5 s or Timeout. Commit first.
// The cable replays none that is Transient, and only the newest of those with one name in Latest. Returns
// BroadcastFailed, and no other error, if the cable did not take it. Without an answer, or after a 5xx, it tries again
// Retries times, after 0.1, 0.3, 0.9 and then every 2 s, not before the answer's Retry-After, with the same id.
// Options: URL, Key, Timeout, Retries, Exclude, Transient, Latest.
func Broadcast(stream, html string, given ...Option) error {
	body, err := Publication(stream, html, given...)
	return read(given).post(body, err)
}

// Publish sends publications in one request: all of them or none. It fails and tries again as Broadcast does.
// Options: URL, Key, Timeout, Retries.
func Publish(publications []string, given ...Option) error {
	return read(given).post("["+strings.Join(publications, ",")+"]", nil)
}

// Disconnect ends all connections of an identity; without reconnect its clients stay away until their page is loaded
// again. Its token stays valid. It fails and tries again as Broadcast does. Options: URL, Key, Timeout, Retries.
func Disconnect(identity any, reconnect bool, given ...Option) error {
	ext, err := stringify(identity)
	quoted, _ := stringify(ext)
	body := fmt.Sprintf(`{"command":"disconnect","payload":{"identifier":%s,"reconnect":%t}}`, quoted, reconnect)
	return read(given).post(body, err)
}

// Allow says whether a client may listen to a stream, and until when; the zero time means for ever. The identity is a
// map[string]any, or a string if it is not an object in JSON.
type Allow func(identity any, stream string, headers map[string]string) (allowed bool, until time.Time, err error)

// AnswerSubscribe returns the answer to a cable that asks whether a client may listen to a stream (--subscribe_url):
// status and JSON. An error, without a key or a secret or of allow, is your answer 500: the cable asks again.
// Options: Key, Secret, Now.
func AnswerSubscribe(authorization, body string, allow Allow, given ...Option) (int, string, error) {
	o := read(given)
	key, err := first(o.key, os.Getenv("HOTCABLE_SUBSCRIBE_KEY")), error(nil)
	if key == "" {
		key, err = o.derived("subscribe-cable")
	}
	var asked struct {
		Identity, Stream *string
		Headers          map[string]string
	}
	if err != nil {
		return 500, "", err
	} else if subtle.ConstantTimeCompare([]byte(authorization), []byte("Bearer "+key)) != 1 {
		return 401, `{"error":"unauthorized"}`, nil
	} else if json.Unmarshal([]byte(body), &asked) != nil || asked.Identity == nil || asked.Stream == nil {
		return 422, `{"error":"malformed"}`, nil
	}
	var identity any = *asked.Identity
	if object := (map[string]any)(nil); json.Unmarshal([]byte(*asked.Identity), &object) == nil && object != nil {
		identity = object
	}
	allowed, until, err := allow(identity, *asked.Stream, asked.Headers)
	if err != nil {
		return 500, "", err
	} else if allowed && !until.IsZero() && until.Unix() > o.now.Unix() {
		return 200, fmt.Sprintf(`{"allowed":true,"until":%d}`, until.Unix()), nil
	}
	return 200, fmt.Sprintf(`{"allowed":%t}`, allowed && until.IsZero()), nil
}

func (o *options) post(body string, err error) error {
	if err != nil {
		return BroadcastFailed("the cable was not asked: " + err.Error())
	}
	for tried, pause := 0, 1e8; ; tried, pause = tried+1, pause*3 {
		status, reason, after := o.request("POST", "", "", body)
		busy := status == "nothing" || status >= "500" || status == "429" && after >= 0
		if status == "201" {
			return nil
		} else if !busy || tried >= o.retries || after > time.Duration(o.retries-tried)*o.timeout {
			return BroadcastFailed(fmt.Sprintf("the cable answered %s: %.200s", status, reason))
		}
		time.Sleep(time.Duration(math.Max(math.Min(pause, 2e9), float64(after))))
	}
}

func read(given []Option) *options {
	o := &options{ttl: time.Hour, timeout: 5 * time.Second, now: time.Now()}
	for _, set := range given {
		set(o)
	}
	return o
}

func (o *options) secretOf(err error, names ...string) (secret string, _ error) {
	for _, name := range names {
		secret = first(secret, os.Getenv(name))
	}
	if o.secret != nil {
		secret = *o.secret
	}
	if secret == "" && err == nil { // an empty key protects nothing
		err = errors.New("no secret: set " + strings.Join(names, " or "))
	}
	return secret, err
}

func (o *options) derived(phrase string) (string, error) {
	secret, err := o.secretOf(nil, "ANYCABLE_SECRET")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", digest(secret, phrase)), nil
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

var positions = regexp.MustCompile(`^[0-9]+/[A-Za-z0-9_-]+$`)
var webSocket = regexp.MustCompile(`(?is)^ws(s?://[^/?#]*)(.*)`)
var turboType = regexp.MustCompile(`(?i)(^|,)\s*text/vnd\.turbo-stream\.html\s*(;|,|$)`)
var hasScheme = regexp.MustCompile(`^(?i)https?://`)

var secrets = regexp.MustCompile(`(?s)(//)[^/]*@|[?#].*`) // in a URL: a password, and the query
var attribute = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// Go escapes more than JSON.stringify. A backslash in the text is written as two, and they stay.
var asStringify = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\u0008`, `\b`, `\u000c`, `\f`)

func stringify(value any) (string, error) {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	if err == nil && notUTF8.MatchString(out.String()) {
		err = errors.New("text that is not UTF-8")
	}
	return asStringify.Replace(strings.TrimSuffix(out.String(), "\n")), err
}

var notUTF8 = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\ufffd`) // how Go writes bytes that are not UTF-8

// text replaces bytes that are not UTF-8: one U+FFFD for each incomplete character, and for each stray byte.
func text(text string) string {
	var valid strings.Builder
	for size := 0; text != ""; text = text[size:] {
		character, length := utf8.DecodeRuneInString(text)
		for size = length; character == utf8.RuneError && size < len(text) && !utf8.FullRuneInString(text[:size+1]); {
			size++
		}
		valid.WriteRune(character)
	}
	return valid.String()
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
func withQuery(url, query string) string {
	return url + map[bool]string{true: "&", false: "?"}[strings.Contains(url, "?")] + query
}
func base64url(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func digest(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return string(mac.Sum(nil))
}

func tag(name string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != None {
			name += " " + pairs[i] + `="` + attribute.Replace(text(pairs[i+1])) + `"`
		}
	}
	return "<" + name + ">"
}

// The status, the text, and what Retry-After says, -1 without.
func (o *options) request(method, path, query, body string) (status, answer string, after time.Duration) {
	derived, _ := BroadcastKey()
	key := first(o.key, os.Getenv("ANYCABLE_BROADCAST_KEY"), derived, "none")
	if strings.ContainsAny(key, "\r\n") {
		return "nothing", "the broadcast key has a line break in it", -1
	}
	port := map[bool]string{true: "8090", false: "8080"}[key == "none"]
	given := first(o.url, os.Getenv("ANYCABLE_HTTP_BROADCAST_URL"))
	at := first(given, "http://localhost:"+port+"/_broadcast")
	shown := secrets.ReplaceAllString(at, "$1")
	isGuess := given == "" && key == "none" && derived == ""
	shown += map[bool]string{true: " (ANYCABLE_SECRET is missing; with it the port is 8080)"}[isGuess]
	if !hasScheme.MatchString(at) {
		return "nothing", "the URL must begin with http:// or https://", -1
	}
	within, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	// An error of net/http wraps the reason, and shows the URL.
	asked, err := http.NewRequestWithContext(within, method, at, strings.NewReader(body))
	if err != nil {
		return "nothing", fmt.Sprint(shown, ": ", errors.Unwrap(err)), -1
	}
	if path != "" {
		asked.URL, _ = url.Parse(asked.URL.JoinPath(path).String()) // (it puts a slash before the path)
	}
	asked.URL.RawQuery = strings.TrimPrefix(strings.TrimSuffix(asked.URL.RawQuery+"&"+query, "&"), "&")
	asked.Header.Set("Content-Type", "application/json")
	asked.Header["Authorization"] = map[bool][]string{true: {"Bearer " + key}}[key != "none"]
	// Not the default client: it asks the environment's proxy, follows redirects, and waits forever.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial, MaxResponseHeaderBytes: 65536}}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(asked)
	if err != nil {
		return "nothing", fmt.Sprint(shown, ": ", errors.Unwrap(err)), -1
	}
	defer response.Body.Close()
	reason, _ := io.ReadAll(io.LimitReader(response.Body, 65536)) // a reason is shorter; the status counts in any case
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 32)
	if after = time.Duration(seconds) * time.Second; err != nil && !errors.Is(err, strconv.ErrRange) {
		after = -1
	}
	return strconv.Itoa(response.StatusCode), string(reason), after
}

// A link ignores writes that fail: a cable may answer and hang up before it has read a long body.
type link struct{ net.Conn }

func (l link) Write(data []byte) (int, error) { l.Conn.Write(data); return len(data), nil }

func dial(within context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(within, network, address)
	return link{conn}, err
}
