//! A prompt as its file says it: a template with two blocks in, its `system` and its `user` message out.
//!
//! Text that is quoted in a prompt goes through the filters `data` and `attribute`, so that it can't close the
//! `<source>` element that it stands in.

use minijinja::{Environment, Value};

use super::{Message, Role};

/// A template, parsed.
pub struct Template {
    environment: Environment<'static>,
    name: &'static str,
}

impl Template {
    /// `name` is what errors call it.
    pub fn new(name: &'static str, text: String) -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.add_filter("data", |text: String| defused(&text));
        environment.add_filter("attribute", |text: String| {
            defused(&text).replace('"', "&quot;").replace('>', "&gt;").replace('\n', " ")
        });
        environment.add_template_owned(name, text)?;
        Ok(Self { environment, name })
    }

    /// System and user message, with these values.
    pub fn messages(&self, values: Value) -> Result<[Message; 2], minijinja::Error> {
        let template = self.environment.get_template(self.name)?;
        let mut rendered = template.render_captured(values)?;
        let (system, user) = rendered.with_state_mut(|state| {
            Ok::<_, minijinja::Error>((state.render_block("system")?, state.render_block("user")?))
        })?;
        Ok([Message { role: Role::System, content: system }, Message { role: Role::User, content: user }])
    }
}

/// Text of a document that can't open or close a `<source>` element, however it is spelled.
fn defused(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        safe.push_str(before);
        let after = from.strip_prefix('<').unwrap_or(from);
        let word = after.trim_start_matches(|c: char| c == '/' || c.is_whitespace());
        let is_source = word.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("source"));
        safe.push_str(if is_source { "&lt;" } else { "<" });
        rest = after;
    }
    safe.push_str(rest);
    safe
}
