// Checks hotcable.go against the shared vectors, and its requests against a server on this machine: go test
package hotcable

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Case is any case of any vector file; a field that a file lacks stays zero.
type Case struct {
	ID, Flag, Make, Call     string
	Secret                   *string
	Stream, Position, URL    string
	Identity, Attributes     json.RawMessage
	Action, Content, HTML    string
	Target, Result           *string
	TTL, Now                 int64
	ExpiresIn                *int64 `json:"expires_in"`
	Token, Signed, Body, Key string
	Status                   int
	Answer                   string
	Env                      map[string]string
	Names                    []string
	Hex, Post, Get           string
	Streams, Publications    []string
	Accept, Type, Exclude    string
	Latest                   string
	Transient, Reconnect     bool
	Nonce                    string
	Drive                    *bool
	Authorization            string
	Allow                    any
}

var passed, failed int

func TestMain(m *testing.M) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "ANYCABLE_") {
			os.Unsetenv(name)
		}
	}
	// The helper must not use a proxy of the environment: nothing listens there, so a request would fail.
	os.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	os.Setenv("http_proxy", "http://127.0.0.1:9")
	code := m.Run()
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	os.Exit(code)
}

func TestBytes(t *testing.T) {
	for _, c := range vectors(t, "tokens", "produce") {
		check(t, "token: "+c.ID, func(t *testing.T) {
			token, err := IssueToken(plain(c.Identity), c.secret(), TTL(seconds(c.TTL)), Now(time.Unix(c.Now, 0)))
			same(t, c.Token, token, err)
		})
	}
	names := vectors(t, "signed-streams", "sign")
	for _, c := range vectors(t, "signed-streams", "refuse") {
		if c.ExpiresIn != nil {
			names = append(names, c)
		}
	}
	for _, c := range names {
		check(t, "signed stream name: "+c.ID, func(t *testing.T) {
			signed, err := SignStream(c.Stream, c.expiry()...)
			same(t, c.Signed, signed, err)
		})
	}
	for _, c := range vectors(t, "tags", "produce") {
		check(t, "tag: "+c.ID, func(t *testing.T) {
			var html string
			var err error
			switch c.Make {
			case "stream_from":
				html, err = StreamFrom(c.Stream, c.Position, c.expiry()...)
			case "source_tag":
				given := append(c.expiry(), URL(c.URL), TTL(seconds(c.TTL)), Now(time.Unix(c.Now, 0)))
				html, err = SourceTag(c.Streams, c.Position, plain(c.Identity), given...)
			case "meta_tags":
				now := Now(time.Unix(c.Now, 0))
				html, err = MetaTags(plain(c.Identity), c.secret(), URL(c.URL), TTL(seconds(c.TTL)), now)
			case "script_tag":
				html = ScriptTag(URL(c.URL), Nonce(c.Nonce), Drive(c.Drive == nil || *c.Drive))
			default:
				target := None
				if c.Target != nil {
					target = *c.Target
				}
				html = TurboStream(c.Action, target, c.Content, pairs(t, c.Attributes)...)
			}
			same(t, c.HTML, html, err)
		})
	}
	for _, c := range vectors(t, "tags", "answers") {
		check(t, c.ID, func(t *testing.T) {
			same(t, c.Type == TurboStreamType, WantsTurboStream(c.Accept), nil)
		})
	}
	for _, c := range vectors(t, "subscribes", "questions") {
		check(t, c.ID, func(t *testing.T) {
			var seen string
			allow := func(identity any, stream string, headers map[string]string) (bool, time.Time, error) {
				if headers == nil {
					headers = map[string]string{}
				}
				asked, _ := stringify([]any{identity, stream, headers})
				seen = " " + asked
				if seconds, is := c.Allow.(float64); is {
					return true, time.Unix(int64(seconds), 0), nil
				}
				return c.Allow == true, time.Time{}, nil
			}
			status, body, err := AnswerSubscribe(c.Authorization, c.Body, allow, c.secret(), Key(c.Key), Now(time.Unix(c.Now, 0)))
			same(t, c.Answer, fmt.Sprintf("%d %s%s", status, body, seen), err)
		})
	}
	check(t, "an error of allow is no answer", func(t *testing.T) {
		c := vectors(t, "subscribes", "questions")[0]
		fails := func(any, string, map[string]string) (bool, time.Time, error) { return true, time.Time{}, io.EOF }
		status, body, err := AnswerSubscribe(c.Authorization, c.Body, fails, c.secret())
		same(t, "500  EOF", fmt.Sprint(status, " ", body, " ", err), nil)
	})
	for _, c := range vectors(t, "broadcasts", "keys") {
		check(t, c.ID, func(t *testing.T) {
			key, err := BroadcastKey(c.secret())
			same(t, c.Key, key, err)
		})
	}
}

func TestRequests(t *testing.T) {
	cable := start(t)
	for _, c := range vectors(t, "broadcasts", "produce") {
		check(t, "body: "+c.ID, func(t *testing.T) {
			cable.says(201, "")
			given := []Option{Exclude(c.Exclude), Transient(c.Transient), Latest(c.Latest), URL(cable.url)}
			one, err := Publication(c.Stream, c.HTML, given...)
			same(t, c.Body, ids.ReplaceAllString(one, ID), err)
			two, err := Publication(c.Stream, c.HTML, given...)
			same(t, true, one != two, err)
			same(t, nil, Broadcast(c.Stream, c.HTML, given...), nil)
			same(t, "POST /_broadcast application/json  "+c.Body, cable.last(), nil)
		})
	}
	for _, c := range vectors(t, "broadcasts", "lists") {
		check(t, "list: "+c.ID, func(t *testing.T) {
			cable.says(201, "")
			same(t, nil, Publish(c.Publications, URL(cable.url)), nil)
			same(t, "POST /_broadcast application/json  "+c.Body, cable.last(), nil)
		})
	}
	for _, c := range vectors(t, "broadcasts", "disconnects") {
		check(t, "disconnect: "+c.ID, func(t *testing.T) {
			cable.says(201, "")
			same(t, nil, Disconnect(plain(c.Identity), c.Reconnect, URL(cable.url)), nil)
			same(t, "POST /_broadcast application/json  "+c.Body, cable.last(), nil)
		})
	}
	check(t, "the socket ID of a client never keeps a broadcast back", func(t *testing.T) {
		cable.says(201, "")
		same(t, nil, Broadcast("x", "y", Exclude("\xff"), URL(cable.url)), nil)
		same(t, true, strings.HasSuffix(cable.last(), `{"id":"ID","exclude_socket":"`+"\ufffd"+`"}}`), nil)
	})
	for _, c := range append(vectors(t, "broadcasts", "accept"), vectors(t, "broadcasts", "refuse")...) {
		check(t, "answer: "+c.ID, func(t *testing.T) {
			cable.says(c.Status, c.Answer)
			if c.Flag != "not_201" {
				expected := c.Position
				if expected == "" {
					expected = "-"
				}
				asked := "GET /_broadcast/position?stream=a%2F%C3%A9%26b%2B%20c application/json Bearer s3cret "
				found := ""
				// A busy machine may take longer than the 250 ms of a page.
				for tries := 0; found != expected && tries < 6; tries++ {
					found = Position("a/é&b+ c", URL(cable.url), Key("s3cret"))
					same(t, asked, cable.last(), nil)
				}
				same(t, expected, found, nil)
				return
			}
			message := failure(t, Broadcast("x", "y", URL(cable.url), Key("s3cret")))
			same(t, true, strings.Contains(message, strconv.Itoa(c.Status)), nil)
			same(t, true, c.Status == 204 || strings.Contains(message, c.Answer), nil)
			same(t, false, strings.Contains(message, "s3cret"), nil)
			cable.last()
		})
	}
	for _, c := range vectors(t, "broadcasts", "not_utf8") {
		check(t, "not UTF-8: "+c.ID, func(t *testing.T) {
			bytes, err := hex.DecodeString(c.Hex)
			fine(t, err)
			text := string(bytes)
			same(t, c.HTML, TurboStream("append", text, text), nil)
			cable.says(201, "")
			same(t, nil, Broadcast("board/1", text, URL(cable.url)), nil)
			same(t, "POST /_broadcast application/json  "+c.Body, cable.last(), nil)
			failure(t, Broadcast(text, "x", URL(cable.url)))
			failure(t, Broadcast("x", "x", Latest(text), URL(cable.url)))
			_, signing := SignStream(text, Secret("s"))
			_, issuing := IssueToken(map[string]string{"name": text}, Secret("s"))
			same(t, true, signing != nil && issuing != nil, nil)
		})
	}
	check(t, "text that only looks like an escape of Go's is text", func(t *testing.T) {
		_, err := SignStream(`a\ufffd`, Secret("s"))
		fine(t, err)
		_, err = SignStream("a\ufffd", Secret("s"))
		fine(t, err)
	})
	for _, c := range vectors(t, "broadcasts", "targets") {
		check(t, "target: "+c.ID, func(t *testing.T) {
			cable.says(201, "")
			given := []any{URL(strings.Replace(cable.url, "/_broadcast", c.URL, 1))}
			same(t, nil, Broadcast("x", "y", given[0].(Option)), nil)
			same(t, c.Post, strings.Fields(cable.last())[1], nil)
			for _, stream := range c.Streams {
				given = append(given, stream)
			}
			same(t, "-", Position(given...), nil)
			same(t, c.Get, strings.Fields(cable.last())[1], nil)
		})
	}
	for _, url := range []string{"http://[", "http://127.0.0.1:99999/", "http://a b/", "ftp://127.0.0.1/", "\x00"} {
		check(t, "only BroadcastFailed: "+strconv.Quote(url), func(t *testing.T) {
			failure(t, Broadcast("x", "y", URL(url)))
		})
	}
	check(t, "a helper neither sends nor shows a key with a line break", func(t *testing.T) {
		message := failure(t, Broadcast("x", "y", URL(cable.url), Key("s3cret\r\nX-Injected: 1")))
		same(t, false, strings.Contains(message, "s3cret"), nil)
	})
	check(t, "the URL of the environment", func(t *testing.T) {
		cable.says(201, "")
		t.Setenv("ANYCABLE_HTTP_BROADCAST_URL", cable.url+"/mine")
		same(t, nil, Broadcast("x", "y"), nil)
		same(t, true, strings.HasPrefix(cable.last(), "POST /_broadcast/mine "), nil)
	})
	check(t, "no request but those that were looked at", func(t *testing.T) { same(t, 0, len(cable.asked), nil) })
}

func TestSettings(t *testing.T) {
	cable := start(t)
	for _, c := range vectors(t, "settings", "produce") {
		check(t, c.ID, func(t *testing.T) {
			c.setenv(t)
			switch c.Call {
			case "sign_stream":
				signed, err := SignStream("board/1")
				same(t, *c.Result, signed, err)
			case "issue_token":
				token, err := IssueToken(map[string]string{"visitor": "7"}, Now(time.Unix(1_700_000_000, 0)))
				same(t, *c.Result, token, err)
			case "meta_tags":
				tags, err := MetaTags(struct{}{})
				same(t, *c.Result, strings.Split(tags, "\n")[1], err)
			case "script_tag":
				same(t, *c.Result, ScriptTag(), nil)
			case "answer_subscribe":
				allow := func(any, string, map[string]string) (bool, time.Time, error) { return true, time.Time{}, nil }
				status, _, err := AnswerSubscribe("Bearer "+*c.Result, `{"identity":"","stream":""}`, allow)
				same(t, 200, status, err)
			default:
				cable.says(201, "")
				same(t, nil, Broadcast("x", "y", URL(cable.url)), nil)
				expected := ""
				if c.Result != nil {
					expected = *c.Result
				}
				same(t, `POST /_broadcast application/json `+expected+` {"stream":"x","data":"\"y\"","meta":{"id":"ID"}}`, cable.last(), nil)
			}
		})
	}
	for _, c := range vectors(t, "settings", "refuse") {
		check(t, "an error that names the variables: "+c.ID, func(t *testing.T) {
			c.setenv(t)
			var given []Option
			if c.Secret != nil {
				given = []Option{Secret(*c.Secret)}
			}
			made, err := SignStream("board/1", given...)
			if c.Call == "issue_token" {
				made, err = IssueToken(struct{}{}, given...)
			}
			same(t, "", made, nil)
			for _, name := range c.Names {
				same(t, true, regexp.MustCompile(`\b`+name+`\b`).MatchString(err.Error()), nil)
			}
		})
	}
}

func TestAPageNeverWaits(t *testing.T) {
	cable := start(t)
	cable.says(0, "")
	closed := listen(t)
	closed.Close()
	dripping := listen(t)
	go drip(dripping)
	late := map[string]string{
		"a cable that is down":       "http://" + closed.Addr().String(),
		"a cable that never answers": cable.url,
		"a cable that drips bytes":   "http://" + dripping.Addr().String(),
		"a host that does not exist": "http://cable.invalid/_broadcast",
		"an invalid URL":             "cable:8080",
	}
	for title, url := range late {
		check(t, title, func(t *testing.T) {
			from := time.Now()
			same(t, "-", Position("board/1", URL(url)), nil)
			same(t, true, time.Since(from) < 4*time.Second, nil)

			failure(t, Broadcast("board/1", strings.Repeat("x", 100_000), URL(url), Timeout(300*time.Millisecond)))
			same(t, true, time.Since(from) < 8*time.Second, nil)
		})
	}
}

func (c Case) secret() Option { return Secret(*c.Secret) }

func (c Case) expiry() []Option {
	if c.ExpiresIn == nil {
		return []Option{c.secret()}
	}
	return []Option{c.secret(), ExpiresIn(seconds(*c.ExpiresIn)), Now(time.Unix(c.Now, 0))}
}

func (c Case) setenv(t *testing.T) {
	for name, value := range c.Env {
		t.Setenv(name, value)
	}
}

func seconds(count int64) time.Duration { return time.Duration(count) * time.Second }

// The cases of a list. A file may have a secret for all cases, and a case another one.
func vectors(t *testing.T, file, list string) (cases []Case) {
	text, err := os.ReadFile("../vectors/" + file + ".json")
	fine(t, err)
	var all map[string]json.RawMessage
	fine(t, json.Unmarshal(text, &all))
	fine(t, json.Unmarshal(all[list], &cases))
	for i := range cases {
		if all["secret"] != nil && cases[i].Secret == nil {
			fine(t, json.Unmarshal(all["secret"], &cases[i].Secret))
		}
	}
	return cases
}

// An identity in the order of its keys, without the escapes that make the file readable.
func plain(identity json.RawMessage) json.RawMessage {
	return escapes.ReplaceAllFunc(identity, func(escape []byte) []byte {
		if code, err := strconv.ParseUint(string(escape[2:]), 16, 32); err == nil && code >= 0x7f {
			return []byte(string(rune(code)))
		}
		return escape
	})
}

var escapes = regexp.MustCompile(`\\(?:u[0-9a-f]{4}|.)`)

// Attributes in the order of their names; null stands for None.
func pairs(t *testing.T, attributes json.RawMessage) (names []string) {
	decoder := json.NewDecoder(strings.NewReader(string(attributes)))
	for {
		token, err := decoder.Token()
		switch token := token.(type) {
		case string:
			names = append(names, token)
		case nil:
			if err == io.EOF {
				return names
			}
			fine(t, err)
			names = append(names, None)
		}
	}
}

// One test for each case, so that the closing line counts cases.
func check(t *testing.T, title string, body func(t *testing.T)) {
	if t.Run(title, body) {
		passed++
	} else {
		failed++
	}
}

func same(t *testing.T, expected, actual any, err error) {
	t.Helper()
	fine(t, err)
	if expected != actual {
		t.Fatalf("expected %v\nbut got  %v", expected, actual)
	}
}

func fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func failure(t *testing.T, err error) string {
	t.Helper()
	var failed BroadcastFailed
	if !errors.As(err, &failed) {
		t.Fatalf("expected BroadcastFailed, and not %v", err)
	}
	return err.Error()
}

// Answers as the test sets, and records the requests.
type Cable struct {
	url    string
	status int
	answer string
	asked  chan string
}

func start(t *testing.T) *Cable {
	cable := &Cable{asked: make(chan string, 10)}
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, asked *http.Request) {
		body, _ := io.ReadAll(asked.Body)
		if cable.status == 0 {
			<-asked.Context().Done()
			return
		}
		cable.asked <- strings.Join([]string{asked.Method, asked.RequestURI, asked.Header.Get("Content-Type"),
			asked.Header.Get("Authorization"), string(body)}, " ")
		response.Header().Set("Location", cable.url+"/elsewhere")
		response.WriteHeader(cable.status)
		io.WriteString(response, cable.answer)
	}))
	cable.url = server.URL + "/_broadcast"
	t.Cleanup(server.Close)
	return cable
}

func (cable *Cable) says(status int, answer string) { cable.status, cable.answer = status, answer }

func (cable *Cable) last() string { return ids.ReplaceAllString(<-cable.asked, ID) }

// As in the vectors: ID stands for an id, which is random.
const ID = `"meta":{"id":"ID"`

var ids = regexp.MustCompile(`"meta":\{"id":"[A-Za-z0-9_-]{22}"`)

func listen(t *testing.T) net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fine(t, err)
	return listener
}

// Sends a byte every 50 ms, for long: no single read of a client ever waits.
func drip(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			for _, letter := range "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200) {
				if _, err := client.Write([]byte(string(letter))); err != nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		}()
	}
}
