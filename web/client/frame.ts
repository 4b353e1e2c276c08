/** In a frame of /compare the frame's caption replaces the page's headline: see styles/framed.css. */
export function markFrame(): void {
  if (window.parent !== window) document.documentElement.dataset.framed = ''
}

export const isFramed = (): boolean => 'framed' in document.documentElement.dataset
