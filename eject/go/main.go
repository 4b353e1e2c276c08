// A page that is live: a note that one visitor adds appears on the open pages of all others. It runs under `npm start`.
//
// README.md says why the steps are in this order.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"html"
	"log"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"app/hotcable"
)

// Note is a row. In place of a database, a list: Go's standard library has no SQLite.
type Note struct {
	ID   int
	Body string
}

type Identity struct {
	Visitor string `json:"visitor"`
}

var (
	notes []Note
	mutex sync.Mutex
)

var isVisitor = regexp.MustCompile(`^[0-9a-f]{16}$`)

func show(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	visitor := newVisitor()
	if cookie, err := r.Cookie("visitor"); err == nil && isVisitor.MatchString(cookie.Value) {
		visitor = cookie.Value
	}
	position := hotcable.Position("notes") // 1. the position
	all := query()                         // 2. the query
	meta, metaErr := hotcable.MetaTags(Identity{visitor})
	stream, streamErr := hotcable.StreamFrom("notes", position)
	if metaErr != nil || streamErr != nil {
		http.Error(w, fmt.Sprint(metaErr, streamErr), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	http.SetCookie(w, &http.Cookie{Name: "visitor", Value: visitor, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 31536000})
	fmt.Fprintf(w, page, meta, hotcable.ScriptTag(), stream, render(all)) // 3. the page
}

func add(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only.", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		http.Error(w, "A form of another site changes nothing here.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64*1024)
	body := strings.TrimSpace(strings.ToValidUTF8(r.PostFormValue("body"), "\uFFFD"))
	if length := utf8.RuneCountInString(body); length < 1 || length > 500 {
		http.Error(w, "A note has 1 to 500 characters.", http.StatusUnprocessableEntity)
		return
	}
	added := insert(body)                                                                              // 1. the commit
	err := hotcable.Broadcast("notes", hotcable.TurboStream("append", "notes", render([]Note{added}))) // 2. the broadcast
	if err != nil {                                                                                    // the note is saved: log it, and go on
		log.Print(err)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// The one partial of a note: the page has it, and the broadcast.
func render(notes []Note) string {
	var items strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&items, `<li id="note_%d">%s</li>`, note.ID, html.EscapeString(note.Body))
	}
	return items.String()
}

const page = `<!DOCTYPE html>
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
%s
%s
</head>
<body>
<main>
<header><h1>Notes</h1> <hotcable-status role="status"></hotcable-status></header>
<p>Open this page in two windows: a note that you add in one appears in both.</p>
%s
<form action="/notes" method="post"><label>Note <input name="body" required pattern=".*[^ ].*" title="1 to 500 characters" maxlength="500" autocomplete="off"></label> <button>Add</button></form>
<ul id="notes">%s</ul>
</main>
</body>
</html>
`

func query() []Note {
	mutex.Lock()
	defer mutex.Unlock()
	return append([]Note(nil), notes...)
}

func insert(body string) Note {
	mutex.Lock()
	defer mutex.Unlock()
	note := Note{len(notes) + 1, body}
	notes = append(notes, note)
	return note
}

func newVisitor() string {
	bytes := make([]byte, 8)
	if _, err := rand.Read(bytes); err != nil {
		log.Panic(err)
	}
	return hex.EncodeToString(bytes)
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func main() {
	if _, err := hotcable.MetaTags(Identity{}); err != nil { // now, and not on the first page
		log.Fatal(err)
	}
	http.HandleFunc("/", show)
	http.HandleFunc("/notes", add)
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	server := http.Server{Addr: setting("HOST", "127.0.0.1") + ":" + setting("PORT", "3000"), ReadTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
