/** Whoever stands at a control that is taken away goes on at the heading of its section, not at the top of the page. */
export function keepPlace(control) {
  if (control.matches(":disabled") || control.closest("[hidden]"))
    control.closest("section")?.querySelector("h2").focus();
}
