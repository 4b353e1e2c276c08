<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <link rel="icon" href="data:,">
    <title>Tasks</title>
  </head>
  <body>
    <h1>Tasks</h1>
    <ul id="tasks">@each('task', $tasks, 'task')</ul>
    <form action="/tasks" method="post">@csrf<input name="title" required><button type="submit">Add</button></form>
  </body>
</html>
