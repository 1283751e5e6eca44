/** What was typed into a page's forms, taken over to the same page made anew in another language. */

const CHOICES = ["language.set", "theme.set"];

const edited = (field) =>
  field.matches("[type=radio], [type=checkbox]")
    ? field.checked !== field.defaultChecked
    : field.matches("select")
      ? [...field.options].some((option) => option.selected !== option.defaultSelected)
      : field.value !== field.defaultValue;

/** `[key, field]` of the forms' named fields; those of one name are told apart by their value or their turn. */
function fields(root) {
  const seen = new Map();
  return [...root.querySelectorAll("form")].flatMap((form, at) =>
    [...form.elements]
      .filter((field) => field.name && field.type !== "file" && !CHOICES.includes(field.dataset.action))
      .map((field) => {
        const name = `${at} ${field.name} ${field.type === "radio" ? field.value : ""}`;
        seen.set(name, (seen.get(name) ?? 0) + 1);
        return [`${name} ${seen.get(name)}`, field];
      }),
  );
}

/** Remembers; the result puts everything into the page as it is then. */
export async function keepDrafts(root) {
  const kept = fields(root)
    .filter(([, field]) => edited(field) && (field.type !== "radio" || field.checked))
    .map(([key, { value, checked }]) => [key, { value, checked }]);
  const editor = root.querySelector("[data-rows]") && (await import("/js/shared/variables.js"));
  const rows = editor?.draftOf(root);
  return () => {
    const present = new Map(fields(root));
    for (const [key, state] of kept) {
      const field = present.get(key);
      if (!field || field.readOnly) continue;
      Object.assign(field, state);
      // The page hears of it as of typing.
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    editor?.applyDraft(root, rows);
  };
}
