"use strict";
// Asks for the same page until the answer is another one. Not while nobody looks: each time an
// instance may start.
const failure = "$digest";
async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, {
        cache: "no-store",
        credentials: "same-origin",
        headers: { accept: "text/html" },
      });
      const text = await answer.text();
      if (!text.includes(failure)) return location.reload();
    } catch {
      // The local cloud has stopped; perhaps it comes back.
    }
  }
  setTimeout(look, 1000);
}
setTimeout(look, 1000);
