/** A list of tasks without live updates, as an app may be before its author reads docs/existing-app.md. */
import express from 'express'
import { addTask, allTasks } from './tasks.js'

const escapeHtml = text => text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
const item = task => `<li id="task_${task.id}">${escapeHtml(task.title)}</li>`

const page = tasks => `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <link rel="icon" href="data:,">
    <title>Tasks</title>
  </head>
  <body>
    <h1>Tasks</h1>
    <ul id="tasks">${tasks.map(item).join('')}</ul>
    <form action="/tasks" method="post"><input name="title" required><button type="submit">Add</button></form>
  </body>
</html>`

const app = express().use(express.urlencoded())

app.get('/', async (_, response) => {
  const tasks = await allTasks()
  response.send(page(tasks))
})

app.post('/tasks', async (request, response) => {
  const task = await addTask(request.body.title)
  console.log(`task ${task.id} was added`)
  response.redirect(303, '/')
})

export const server = app.listen(Number(process.env.PORT ?? 3000))
