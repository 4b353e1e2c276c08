<li id="task_{{ $task['id'] }}">{{ $task['title'] }}</li>
