/** In a frame of /compare the frame's caption replaces the page's headline: see styles/framed.css. */
export function markFrame(): void {
  if (window.parent === window) return
  document.documentElement.dataset.framed = ''
  addEventListener('turbo:load', shorten)
  shorten()
}

/** A narrow frame would cut the placeholders in the middle of a word. */
function shorten(): void {
  if (!matchMedia('(max-width: 30rem)').matches) return
  for (const input of document.querySelectorAll<HTMLInputElement>('.add input'))
    input.placeholder = input.labels?.[0]?.textContent ?? ''
}

export const isFramed = (): boolean => 'framed' in document.documentElement.dataset
