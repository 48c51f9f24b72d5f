// The operators' page.

import { createRoot } from "react-dom/client";
import { applyTheme, storedTheme } from "../app/theme";
import { Mishap } from "../ui/Mishap";
import { Admin } from "./Admin";
import "../style/tokens.css";
import "../style/base.css";
import "./admin.css";
import "./tables.css";

applyTheme(storedTheme());
const app = document.getElementById("app");
if (app) {
  createRoot(app).render(
    <Mishap>
      <Admin />
    </Mishap>,
  );
}
