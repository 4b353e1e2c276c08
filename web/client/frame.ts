/** In a frame of /compare the frame is the headline, and the page leaves its own out: see styles/framed.css. */
export function markFrame(): void {
  if (window.parent !== window) document.documentElement.dataset.framed = ''
}

export const isFramed = (): boolean => 'framed' in document.documentElement.dataset
