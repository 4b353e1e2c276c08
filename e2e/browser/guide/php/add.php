<?php
require 'tasks.php';

$db = database();
$db->prepare('INSERT INTO tasks (title) VALUES (?)')->execute([$_POST['title']]);
$task = ['id' => $db->lastInsertId(), 'title' => $_POST['title']];
error_log("task {$task['id']} was added");
header('Location: /', true, 303);
