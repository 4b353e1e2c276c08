// A list of tasks without live updates, as an app may be before its author reads docs/existing-app.md.
package main

import (
	"fmt"
	"html/template"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
)

var pages = template.Must(template.ParseFiles("index.html"))

type User struct{ Name string }

type Task struct {
	ID    int
	Title string
}

// In place of a database.
var (
	tasks []Task
	mutex sync.Mutex
)

func allTasks() []Task {
	mutex.Lock()
	defer mutex.Unlock()
	return tasks
}

func addTask(title string) Task {
	mutex.Lock()
	defer mutex.Unlock()
	task := Task{len(tasks) + 1, title}
	tasks = append(tasks, task)
	return task
}

func show(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, render("index.html", map[string]any{
		"Tasks": allTasks(),
		"User":  User{"Ada"},
	}))
}

func add(w http.ResponseWriter, r *http.Request) {
	task := addTask(r.FormValue("title"))
	log.Printf("task %d was added", task.ID)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func render(name string, data any) string {
	var html strings.Builder
	if err := pages.ExecuteTemplate(&html, name, data); err != nil {
		log.Panic(err)
	}
	return html.String()
}

func main() {
	http.HandleFunc("/", show)
	http.HandleFunc("/tasks", add)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
