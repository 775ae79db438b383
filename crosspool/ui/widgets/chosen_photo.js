// The photo that is chosen in the strip of images, for components elsewhere on the page, which show it without a run of
// theirs. The scripts of all components share it.

export const chosenPhoto = (globalThis.crosspoolPhoto ??= Object.assign(new EventTarget(), { url: null }));

export function choosePhoto(url) {
  if (chosenPhoto.url === url) return;
  chosenPhoto.url = url;
  chosenPhoto.dispatchEvent(new Event("change"));
}
