<?php
require 'tasks.php';

$tasks = database()->query('SELECT * FROM tasks')->fetchAll();
?>
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <link rel="icon" href="data:,">
    <title>Tasks</title>
  </head>
  <body>
    <h1>Tasks</h1>
    <ul id="tasks"><?= implode(array_map('task', $tasks)) ?></ul>
    <form action="/add.php" method="post"><input name="title" required><button type="submit">Add</button></form>
  </body>
</html>
