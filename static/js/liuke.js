// The shell's behaviour, bound to data- attributes. Every page works without it.
import { bindConfirm } from "./confirm.js";
import { bindThemeChoice } from "./theme-choice.js";
import { bindToasts } from "./toasts.js";
import { bindDrafts } from "./drafts.js";
import { bindForms } from "./forms.js";
import { bindSignedOut } from "./signed-out.js";
import { showChosenTabs } from "./tabs.js";
import { bindUnsaved } from "./unsaved.js";

bindConfirm(document);
bindForms(document);
bindSignedOut(document);
bindDrafts(document);
bindToasts(document);
bindUnsaved(document);
bindThemeChoice(document);
showChosenTabs(document);
