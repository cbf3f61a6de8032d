//! Tables between rules: grids, and tables with rules across only, above and below their head and at their end.

use super::super::lines::{Area, Line};
use super::super::real;
use super::{Direction, Found, Placed, Rows, Rule, baselines, cells, without_continuations};

/// Rules that are no further apart, in points, touch.
const TOUCH: f32 = 2.5;
/// Ends of rules that are no further apart are at the same place.
const SAME_PLACE: f32 = 4.0;
/// A rule counts as a border of rows or columns if so much of the table has it.
const BORDER_SHARE_MIN: f32 = 0.5;
/// Empty space that parts columns where no rule does, in sizes of type.
const CORRIDOR_MIN: f32 = 0.7;
/// Fewer rows may have space at the same place by chance.
const CORRIDOR_ROWS_MIN: usize = 4;
/// A column that fewer rows use is a word that stands apart by chance.
const COLUMN_SHARE_MIN: f32 = 0.4;
const HEAD_ROWS_MAX: usize = 3;
/// How many ends are tried for a table with rules across only.
const ENDS_MAX: usize = 60;

pub(super) fn tables(lines: &[Line], rules: &[Rule]) -> Vec<Found> {
    let mut tables: Vec<Found> = Vec::new();
    let mut taken = vec![false; lines.len()];
    let add = |found: Option<Found>, tables: &mut Vec<Found>, taken: &mut Vec<bool>| {
        let Some(found) = found.filter(|found| !found.lines.iter().any(|index| taken[*index])) else { return };
        found.lines.iter().for_each(|index| taken[*index] = true);
        tables.push(found);
    };
    let mut across = Vec::new();
    for group in touching(rules) {
        if group.iter().all(|rule| rule.direction == Direction::Across) {
            across.extend(group);
        } else {
            add(grid(lines, &group), &mut tables, &mut taken);
        }
    }
    for group in aligned(&across) {
        let mut first = 0;
        while first + 2 < group.len() {
            let ends = (first + 2..group.len()).rev().take(ENDS_MAX);
            let found = ends.clone().find_map(|last| {
                let rules = group.get(first..=last)?;
                Some((last, open(lines, rules)?))
            });
            match found {
                Some((last, found)) => {
                    add(Some(found), &mut tables, &mut taken);
                    first = last + 1;
                }
                None => first += 1,
            }
        }
    }
    tables
}

/// Rules in groups that hang together, those of one group in their order on the page.
fn touching(rules: &[Rule]) -> Vec<Vec<Rule>> {
    let mut group: Vec<usize> = (0..rules.len()).collect();
    let root = |group: &[usize], mut index: usize| {
        while group[index] != index {
            index = group[index];
        }
        index
    };
    for (a, rule) in rules.iter().enumerate() {
        for (b, other) in rules.iter().enumerate().skip(a + 1) {
            if touch(&rule.area, &other.area) {
                let (a, b) = (root(&group, a), root(&group, b));
                group[a.max(b)] = a.min(b);
            }
        }
    }
    let mut groups: Vec<Vec<Rule>> = vec![Vec::new(); rules.len()];
    for (index, rule) in rules.iter().enumerate() {
        groups[root(&group, index)].push(*rule);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn touch(a: &Area, b: &Area) -> bool {
    a.left - TOUCH <= b.right && b.left - TOUCH <= a.right && a.bottom - TOUCH <= b.top && b.bottom - TOUCH <= a.top
}

/// Rules across with the same ends, from top to bottom; rules that are one on the other count once.
fn aligned(rules: &[Rule]) -> Vec<Vec<Rule>> {
    let mut groups: Vec<Vec<Rule>> = Vec::new();
    let mut sorted = rules.to_vec();
    sorted.sort_by(|a, b| b.area.top.total_cmp(&a.area.top).then(a.area.left.total_cmp(&b.area.left)));
    for rule in sorted {
        let same = |group: &&mut Vec<Rule>| {
            group.last().is_some_and(|last| {
                (last.area.left - rule.area.left).abs() < SAME_PLACE
                    && (last.area.right - rule.area.right).abs() < SAME_PLACE
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) if group.last().is_some_and(|last| last.area.bottom - rule.area.top < TOUCH) => {}
            Some(group) => group.push(rule),
            None => groups.push(vec![rule]),
        }
    }
    groups
}

/// A table whose columns are parted by rules.
fn grid(lines: &[Line], rules: &[Rule]) -> Option<Found> {
    let area = rules.iter().map(|rule| rule.area).reduce(|all, area| all.with(&area))?;
    let columns = borders(rules, Direction::Down, &area);
    let rows = borders(rules, Direction::Across, &area);
    if columns.len() < 3 || rows.len() < 2 {
        return None;
    }
    let inside = inside(lines, &area)?;
    let columns = with_corridors(&columns, &baselines(inside.iter().filter_map(|index| lines.get(*index))));
    // A band between two rules across is a row; where rules only set off the head, each line of text is one.
    let mut all = Vec::new();
    let bands: Vec<Vec<Vec<Placed<'_>>>> = rows
        .iter()
        .zip(rows.iter().skip(1))
        .map(|(top, bottom)| {
            let within = |line: &&Line| line.area.middle() < *top && line.area.middle() >= *bottom;
            baselines(inside.iter().filter_map(|index| lines.get(*index)).filter(within))
        })
        .filter(|band| !band.is_empty())
        .collect();
    let few = bands.len() <= 2;
    for band in bands {
        let names_each = band.len() > 2 && band.iter().all(|row| row.iter().any(|word| word.middle() < columns[1]));
        if few && band.len() > 1 || names_each {
            all.extend(without_continuations(band.iter().map(|row| cells(row, &columns)).collect()));
        } else {
            let words: Vec<Placed<'_>> = band.into_iter().flatten().collect();
            all.push(cells(&words, &columns));
        }
    }
    Some(Found { rows: Rows::checked(all, area, 2)?, lines: inside })
}

/// Where the rules of one direction are: from left to right, or from top to bottom. The sides of the table are borders
/// whether they are drawn or not.
fn borders(rules: &[Rule], direction: Direction, area: &Area) -> Vec<f32> {
    let (from, to, extent) = match direction {
        Direction::Down => (area.left, area.right, area.height()),
        Direction::Across => (-area.top, -area.bottom, area.width()),
    };
    let mut drawn: Vec<(f32, f32)> = rules
        .iter()
        .filter(|rule| rule.direction == direction)
        .map(|rule| match direction {
            Direction::Down => (f32::midpoint(rule.area.left, rule.area.right), rule.length()),
            Direction::Across => (-rule.area.middle(), rule.length()),
        })
        .chain([(from, extent), (to, extent)])
        .collect();
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<(f32, f32)> = Vec::new();
    for (at, length) in drawn {
        match places.last_mut().filter(|(last, _)| at - *last < SAME_PLACE) {
            Some((_, covered)) => *covered += length,
            None => places.push((at, length)),
        }
    }
    let sign = match direction {
        Direction::Down => 1.0,
        Direction::Across => -1.0,
    };
    places.into_iter().filter(|(_, covered)| *covered >= BORDER_SHARE_MIN * extent).map(|(at, _)| sign * at).collect()
}

/// A table between rules across: the first is above its head, the second below it, the last at its end.
fn open(lines: &[Line], rules: &[Rule]) -> Option<Found> {
    let area = rules.iter().map(|rule| rule.area).reduce(|all, area| all.with(&area))?;
    let inside = inside(lines, &area)?;
    let head_bottom = rules.get(1)?.area.middle();
    let of = |head: bool| {
        let lines = inside.iter().filter_map(|index| lines.get(*index));
        baselines(lines.filter(move |line| (line.area.middle() > head_bottom) == head))
    };
    let (head, body) = (of(true), of(false));
    if head.is_empty() || head.len() > HEAD_ROWS_MAX || body.len() < 2 {
        return None;
    }
    let bounds = corridors(&body, &area)?;
    let code = head.iter().chain(&body).filter(|row| row.iter().all(|word| word.line.fixed)).count();
    if code * 3 > head.len() + body.len() {
        return None; // A listing in a frame.
    }
    let crosses = |word: &Placed<'_>| bounds.iter().any(|at| (word.word.left..word.word.right).contains(at));
    if head.last()?.iter().any(crosses) {
        return None; // A line of text that runs over the columns.
    }
    let head: Vec<Placed<'_>> = head.into_iter().flatten().collect();
    let mut all = vec![cells(&head, &bounds)];
    all.extend(without_continuations(body.iter().map(|row| cells(row, &bounds)).collect()));
    let filled = |column: usize| all.iter().filter(|row| row.get(column).is_some_and(|cell| !cell.is_empty())).count();
    if (0..bounds.len() - 1).any(|column| real(filled(column)) < COLUMN_SHARE_MIN * real(all.len())) {
        return None;
    }
    Some(Found { rows: Rows::checked(all, area, 3)?, lines: inside })
}

/// The lines within an area; None if there are none or some stick out, for then the rules are not theirs.
fn inside(lines: &[Line], area: &Area) -> Option<Vec<usize>> {
    let within = |line: &Line| line.area.middle() < area.top && line.area.middle() > area.bottom;
    let beside = |line: &Line| line.area.right < area.left || line.area.left > area.right;
    let mut inside = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| within(line) && !beside(line)) {
        let out = line.area.left < area.left - SAME_PLACE || line.area.right > area.right + SAME_PLACE;
        if out || !line.is_upright() {
            return None;
        }
        inside.push(index);
    }
    (!inside.is_empty()).then_some(inside)
}

/// The columns of a grid with those that no rule parts, but space in all rows.
fn with_corridors(columns: &[f32], rows: &[Vec<Placed<'_>>]) -> Vec<f32> {
    let mut all = Vec::with_capacity(columns.len());
    for (left, right) in columns.iter().zip(columns.iter().skip(1)) {
        all.push(*left);
        let within = |word: &&Placed<'_>| (*left..*right).contains(&word.middle());
        let rows: Vec<Vec<Placed<'_>>> = rows.iter().map(|row| row.iter().filter(within).copied().collect()).collect();
        let filled = rows.iter().filter(|row: &&Vec<Placed<'_>>| !row.is_empty()).count();
        let area = Area { left: *left, right: *right, ..Area::default() };
        if filled >= CORRIDOR_ROWS_MIN
            && let Some(bounds) = corridors(&rows, &area)
        {
            all.extend(bounds.get(1..bounds.len() - 1).unwrap_or_default());
        }
    }
    all.extend(columns.last());
    all
}

/// Where columns begin and end: space that no word of any row stands in.
fn corridors(rows: &[Vec<Placed<'_>>], area: &Area) -> Option<Vec<f32>> {
    let mut words: Vec<(f32, f32)> =
        rows.iter().flatten().map(|placed| (placed.word.left, placed.word.right)).collect();
    words.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = rows.iter().flatten().map(|placed| placed.line.size).fold(1.0, f32::max);
    let mut bounds = vec![area.left];
    let mut reach = words.first()?.1;
    for (left, right) in words {
        if left - reach >= CORRIDOR_MIN * size {
            bounds.push(f32::midpoint(reach, left));
        }
        reach = reach.max(right);
    }
    bounds.push(area.right);
    (bounds.len() >= 3).then_some(bounds)
}
