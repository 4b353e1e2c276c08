/** In place of a database. */
const tasks = []

export const allTasks = async () => tasks

export async function addTask(title) {
  const task = { id: tasks.length + 1, title }
  tasks.push(task)
  return task
}
