//! Columns for people: names on the left, numbers on the right.

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Number(title) => title,
        }
    }
}

/// A head, and one line for each row.
pub(crate) fn render<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let head = columns.map(|column| column.title().to_owned());
    let rows: Vec<[String; N]> = std::iter::once(&head).chain(rows).map(|row| row.clone().map(printable)).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.iter().map(|row| line(&columns, row, &widths)).collect()
}

/// A number of tenths.
pub(crate) fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

fn line(columns: &[Column], row: &[String], widths: &[usize]) -> String {
    let cells = columns.iter().zip(row).zip(widths).map(|((column, cell), &width)| match column {
        Column::Text(_) => format!("{cell:<width$}"),
        Column::Number(_) => format!("{cell:>width$}"),
    });
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}

/// What others named must not steer a terminal; a hole would shift what stands behind it.
fn printable(cell: String) -> String {
    let cell: String = cell.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if cell.is_empty() { "-".to_owned() } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let columns = [Column::Text("WORKER"), Column::Number("ROOMS"), Column::Text("REGION")];
        let rows = [["w", "12", "eu"], ["worker-10", "3", ""]].map(|row| row.map(str::to_owned));
        let table = "WORKER     ROOMS  REGION\nw             12  eu\nworker-10      3  -\n";
        assert_eq!(render(columns, &rows), table);
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(render([Column::Text("A")], &[["\u{1b}[2J".to_owned()]]), "A\n?[2J\n");
    }

    #[test]
    fn tenths_have_one_digit_behind_the_point() {
        assert_eq!([0, 9, 10, 1234].map(tenths), ["0.0", "0.9", "1.0", "123.4"]);
    }
}
