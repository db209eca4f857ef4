//! By what a report's rows are put together, and which assets it is about.

use crate::register::store::Value;

use super::Ask;

/// By what rows are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// One row an asset.
    Asset,
    /// Maker and model.
    Model,
    /// Category.
    Category,
    /// Location.
    Location,
    /// Company or department.
    Company,
    /// Year of the amounts.
    Year,
    /// Month of the amounts.
    Month,
}

impl By {
    /// All of them.
    pub const ALL: [By; 7] = [By::Asset, By::Model, By::Category, By::Location, By::Company, By::Year, By::Month];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            By::Asset => "asset",
            By::Model => "model",
            By::Category => "category",
            By::Location => "location",
            By::Company => "company",
            By::Year => "year",
            By::Month => "month",
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<By> {
        By::ALL.into_iter().find(|by| by.name() == name)
    }

    /// Title of the first column.
    pub(super) fn title(self) -> &'static str {
        match self {
            By::Asset => "ASSET",
            By::Model => "MODEL",
            By::Category => "CATEGORY",
            By::Location => "LOCATION",
            By::Company => "COMPANY",
            By::Year => "YEAR",
            By::Month => "MONTH",
        }
    }

    /// The key in SQL: of the table `asset a`, and of a day column for the periods.
    pub(super) fn sql(self, day: &str) -> String {
        match self {
            By::Asset => "a.tag".to_owned(),
            By::Model => "COALESCE(a.manufacturer || ' ','') || COALESCE(a.model,'')".to_owned(),
            By::Category => "COALESCE(a.category,'')".to_owned(),
            By::Location => "COALESCE(a.location,'')".to_owned(),
            By::Company => "COALESCE(a.company,'')".to_owned(),
            By::Year => format!("SUBSTR(COALESCE({day},''),1,4)"),
            By::Month => format!("SUBSTR(COALESCE({day},''),1,7)"),
        }
    }

    /// The key of a day; empty where it is not about time.
    pub(super) fn of_day(self, day: &str) -> &str {
        let chars = match self {
            By::Year => 4,
            By::Month => 7,
            _ => 0,
        };
        day.char_indices().nth(chars).map_or(day, |(end, _)| &day[..end])
    }

    /// Whether it is about time and not about assets.
    pub(super) fn is_period(self) -> bool {
        matches!(self, By::Year | By::Month)
    }
}

impl Ask {
    /// A condition on `asset a`, and its values, which come after `before` others.
    pub(super) fn filter(&self, before: usize) -> (String, Vec<Value>) {
        let (mut sql, mut values) = (String::from("1=1"), Vec::new());
        if let Some(tag) = &self.tag {
            values.push(Value::Text(Some(tag.clone())));
            sql.push_str(&format!(" AND a.tag=${}", before + values.len()));
        }
        if let Some(category) = &self.category {
            values.push(Value::Text(Some(category.clone())));
            sql.push_str(&format!(" AND a.category=${}", before + values.len()));
        }
        if let Some(places) = &self.seen {
            let mut any = vec!["1=0".to_owned()];
            for place in places {
                any.push(at_place(place, before, &mut values));
            }
            sql.push_str(&format!(" AND ({})", any.join(" OR ")));
        }
        if let Some(place) = &self.place {
            let within = at_place(place, before, &mut values);
            sql.push_str(&format!(" AND {within}"));
        }
        (sql, values)
    }
}

/// That an asset is at a place or below it.
fn at_place(place: &str, before: usize, values: &mut Vec<Value>) -> String {
    values.push(Value::Text(Some(place.to_owned())));
    let at = before + values.len();
    values.push(Value::Text(Some(format!("{place}/"))));
    let length = place.chars().count() + 1;
    format!("(a.location=${at} OR SUBSTR(a.location,1,{length})=${})", at + 1)
}

/// What is shown for an empty key.
pub(super) fn named(key: &str) -> String {
    match key.trim() {
        "" => "(none)".to_owned(),
        key => key.to_owned(),
    }
}
