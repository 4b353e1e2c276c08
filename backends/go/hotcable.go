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
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// None leaves out an attribute, as its value or as the target of TurboStream. No attribute of HTML can hold it.
const None = "\x00"

// Option is an argument that may be absent; each function says which ones it takes.
type Option func(*options)

type options struct {
	secret       *string
	url, key     string
	ttl, timeout time.Duration
	expiresIn    *time.Duration
	now          time.Time
	retries      int
	nonce        string
	noDrive      bool
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

// IssueToken makes a JWT with the client's identity, for an hour or TTL from Now. The fields of a struct keep their
// order, the keys of a map are sorted. An error without a secret, and for text that is not UTF-8.
// Options: Secret, TTL, Now.
func IssueToken(identity any, given ...Option) (string, error) {
	o := read(given)
	key, err := o.secretOf("ANYCABLE_JWT_SECRET", "ANYCABLE_SECRET")
	if err != nil {
		return "", err
	}
	ext, err := stringify(identity)
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
	key, err := o.secretOf("ANYCABLE_TURBO_STREAMS_SECRET", "ANYCABLE_STREAMS_SECRET", "ANYCABLE_SECRET")
	if err != nil {
		return "", err
	}
	name, err := stringify(stream)
	if err != nil {
		return "", err
	}
	if o.expiresIn != nil {
		exp := time.Unix(o.now.Unix()+int64(*o.expiresIn/time.Second), 0).UTC()
		name = fmt.Sprintf(`{"_rails":{"data":%s,"exp":"%s"}}`, name, exp.Format("2006-01-02T15:04:05.000Z"))
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(name))
	return encoded + "--" + hex.EncodeToString([]byte(digest(key, encoded))), nil
}

// Position says how far the cable is, "<offset>/<epoch>"; ask once for a page, before its queries: one position is
// valid for all streams, and their names, strings, may be left out. "-", unknown, on any failure or after 250 ms.
// Options: URL, Key.
func Position(streams ...any) string {
	o := read(nil)
	o.timeout = 250 * time.Millisecond
	var names []string
	for _, each := range streams {
		switch each := each.(type) {
		case string:
			names = append(names, "stream="+strings.ReplaceAll(url.QueryEscape(each), "+", "%20"))
		case Option:
			each(o)
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

// MetaTags makes three <meta> tags for a page's head: where the cable is, and IssueToken's token. An error without a
// secret. Options: URL, Secret, TTL, Now.
func MetaTags(identity any, given ...Option) (string, error) {
	token, err := IssueToken(identity, given...)
	if err != nil {
		return "", err
	}
	cable := first(read(given).url, os.Getenv("ANYCABLE_WEBSOCKET_URL"), "ws://localhost:8080/cable")
	mark := "?"
	if strings.Contains(cable, "?") {
		mark = "&"
	}
	withToken := cable + mark + "jid=" + token // all that @hotwired/turbo-rails reads
	return tag("meta", "name", "action-cable-url", "content", withToken) + "\n" +
		tag("meta", "name", "cable-url", "content", cable) + "\n" +
		tag("meta", "name", "cable-token", "content", token), nil
}

// ScriptTag makes the <script> tag for a page's head that loads hotcable.js from the cable. A URL that ends in .js is the
// script's, any other the cable's. Nonce is the page's, for its Content-Security-Policy; with Drive(false) Turbo has no
// Drive. Options: URL, Nonce, Drive.
func ScriptTag(given ...Option) string {
	o := read(given)
	cable := first(o.url, os.Getenv("ANYCABLE_WEBSOCKET_URL"), "ws://localhost:8080/cable")
	src, _, _ := strings.Cut(cable, "#")
	if path, _, _ := strings.Cut(src, "?"); !strings.HasSuffix(path, ".js") {
		src = webSocket.ReplaceAllString(strings.TrimRight(path, "/"), "http$1") + "/hotcable.js"
	}
	if o.noDrive && strings.Contains(src, "?") {
		src += "&drive=off"
	} else if o.noDrive {
		src += "?drive=off"
	}
	return tag("script", "type", "module", "src", src, "nonce", first(o.nonce, None)) + "</script>"
}

// TurboStream makes a <turbo-stream> tag, as ("append", "cards", "<li>Hi</li>"); attributes are names and values by
// turns. html goes in as it is: escape typed text.
func TurboStream(action, target, html string, attributes ...string) string {
	template := "<template>" + text(html) + "</template>"
	if action == "remove" || action == "refresh" {
		template = ""
	}
	if action == "refresh" {
		target = None
	}
	pairs := append(append([]string{}, attributes...), "action", action, "target", target)
	return tag("turbo-stream", pairs...) + template + "</turbo-stream>"
}

// BroadcastKey is the key for broadcasts that the cable derives from its secret. An error without a secret.
// Options: Secret.
func BroadcastKey(given ...Option) (string, error) {
	secret, err := read(given).secretOf("ANYCABLE_SECRET")
	if err != nil {
		return "", err
	}
	return hex.EncodeToString([]byte(digest(secret, "broadcast-cable"))), nil
}

// Broadcast sends HTML to all subscribers, in 5 s or Timeout. Commit first. Returns BroadcastFailed, and no other
// error, if the cable did not take it. Without an answer, or after a 5xx, it tries again Retries times, after 0.1, 0.3,
// 0.9 and then every 2 s, not before the answer's Retry-After, with the same id: the cable publishes it once, AnyCable
// perhaps twice.
// Options: URL, Key, Timeout, Retries.
func Broadcast(stream, html string, given ...Option) error {
	o := read(given)
	name, err := stringify(stream)
	random := make([]byte, 16)
	if err == nil {
		_, err = rand.Read(random)
	}
	if err != nil {
		return BroadcastFailed("the cable was not asked: " + err.Error())
	}
	data, _ := stringify(text(html))
	quoted, _ := stringify(data)
	body := `{"stream":` + name + `,"data":` + quoted + `,"meta":{"id":"` + base64url(string(random)) + `"}}`
	for tried, pause := 0, 100*time.Millisecond; ; tried, pause = tried+1, pause*3 {
		status, reason, after := o.request("POST", "", "", body)
		if status == "201" {
			return nil
		}
		busy := status == "nothing" || status >= "500" || status == "429" && after >= 0
		if !busy || tried >= o.retries || after > time.Duration(o.retries-tried)*o.timeout {
			return BroadcastFailed(fmt.Sprintf("the cable answered %s: %.200s", status, reason))
		}
		if pause > 2*time.Second {
			pause = 2 * time.Second
		}
		if pause < after {
			time.Sleep(after - pause)
		}
		time.Sleep(pause)
	}
}

func read(given []Option) *options {
	o := &options{ttl: time.Hour, timeout: 5 * time.Second, now: time.Now()}
	for _, set := range given {
		set(o)
	}
	return o
}

func (o *options) secretOf(names ...string) (string, error) {
	var secret string
	for _, name := range names {
		secret = first(secret, os.Getenv(name))
	}
	if o.secret != nil {
		secret = *o.secret
	}
	if secret == "" { // an empty key protects nothing
		return "", errors.New("no secret: set " + strings.Join(names, " or "))
	}
	return secret, nil
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
var webSocket = regexp.MustCompile(`^(?i)ws(s?://)`)
var attribute = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// Go escapes more than JSON.stringify. A backslash in the text is written as two, and they stay.
var asStringify = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\u0008`, `\b`, `\u000c`, `\f`)

func stringify(value any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	if err == nil && notUTF8.Match(out.Bytes()) {
		err = errors.New("text that is not UTF-8")
	}
	return asStringify.Replace(strings.TrimSuffix(out.String(), "\n")), err
}

// Go writes this escape only in place of bytes that are not UTF-8.
var notUTF8 = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\ufffd`)

// text replaces bytes that are not UTF-8: one U+FFFD for each incomplete character, and for each stray byte.
func text(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var valid strings.Builder
	for size := 0; text != ""; text = text[size:] {
		var character rune
		character, size = utf8.DecodeRuneInString(text)
		for character == utf8.RuneError && size < len(text) && !utf8.FullRuneInString(text[:size+1]) {
			size++
		}
		valid.WriteRune(character)
	}
	return valid.String()
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
	cable := "http://localhost:8080/_broadcast"
	if key == "none" {
		cable = "http://localhost:8090/_broadcast"
	}
	given := first(o.url, os.Getenv("ANYCABLE_HTTP_BROADCAST_URL"))
	cable = first(given, cable)
	if !hasScheme.MatchString(cable) {
		return "nothing", "the URL must begin with http:// or https://", -1
	}
	shown := secrets.ReplaceAllString(cable, "$1")
	if given == "" && key == "none" && derived == "" {
		shown += " (ANYCABLE_SECRET is missing; with it the port is 8080)"
	}
	at, err := url.Parse(cable)
	if err != nil {
		return "nothing", shown + ": " + why(err), -1
	}
	if path != "" {
		at = at.JoinPath(path)
	}
	if at.RawQuery != "" && query != "" {
		query = "&" + query
	}
	at.RawQuery += query
	within, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	asked, err := http.NewRequestWithContext(within, method, at.String(), strings.NewReader(body))
	if err != nil {
		return "nothing", shown + ": " + why(err), -1
	}
	asked.Header.Set("Content-Type", "application/json")
	if key != "none" {
		asked.Header.Set("Authorization", "Bearer "+key)
	}
	// Not the default client: it asks the environment's proxy, follows redirects, and waits forever.
	transport := &http.Transport{DisableKeepAlives: true, DialContext: dial, MaxResponseHeaderBytes: 65536}
	client := http.Client{Transport: transport}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(asked)
	if err != nil {
		return "nothing", shown + ": " + why(err), -1
	}
	defer response.Body.Close()
	// The status counts even if the body fails; a reason is shorter than 64 KiB.
	reason, _ := io.ReadAll(io.LimitReader(response.Body, 65536))
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 32)
	if after = time.Duration(seconds) * time.Second; err != nil && !errors.Is(err, strconv.ErrRange) {
		after = -1
	}
	return strconv.Itoa(response.StatusCode), string(reason), after
}

var hasScheme = regexp.MustCompile(`^(?i)https?://`)

// The parts of a URL that may be secret: a password, and the query.
var secrets = regexp.MustCompile(`(?s)(//)[^/]*@|[?#].*`)

// The reason without the URL.
func why(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err.Error()
	}
	return err.Error()
}

// A link ignores writes that fail. A cable may answer and hang up before it has read a long body:
// net/http would drop that answer.
type link struct{ net.Conn }

func (l link) Write(data []byte) (int, error) {
	l.Conn.Write(data)
	return len(data), nil
}

func dial(within context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(within, network, address)
	return link{conn}, err
}
