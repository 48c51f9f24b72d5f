// The meeting page.

import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { applyTheme, storedTheme } from "./app/theme";
import "./style/tokens.css";
import "./style/base.css";

applyTheme(storedTheme());
const app = document.getElementById("app");
if (app) createRoot(app).render(<App />);
