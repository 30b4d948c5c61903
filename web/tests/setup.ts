import { configure } from "@testing-library/svelte";
import { afterEach, beforeEach } from "vitest";

// Machines that are busy with other things take their time.
configure({ asyncUtilTimeout: 5000 });

// What jsdom lacks of a browser.
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.open = true;
};
HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
  this.open = false;
};
URL.createObjectURL ??= () => "blob:test";
URL.revokeObjectURL ??= () => undefined;
window.scrollTo = () => undefined;

beforeEach(() => {
  sessionStorage.clear();
  localStorage.clear();
  history.replaceState(null, "", "/");
});
afterEach(() => {
  document.body.replaceChildren();
});
