<?php
/** What both pages share: the database, and the look of a task. */
function database(): PDO
{
    $db = new PDO('sqlite:' . __DIR__ . '/tasks.sqlite3');
    $db->exec('CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT)');
    return $db;
}

function task(array $task): string
{
    return "<li id=\"task_{$task['id']}\">" . htmlspecialchars($task['title']) . '</li>';
}
