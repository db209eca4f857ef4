//! The tables, and what later versions added to them.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, name and text of what makes the tables, and of what later versions added to them. A text that
/// was ever released is never changed: databases keep its digest.
pub(super) const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "register", include_str!("migrations/0001_register.sql")),
    (2, "life", include_str!("migrations/0002_life.sql")),
    (20, "figures", include_str!("migrations/0020_figures.sql")),
    (30, "events_by_place", include_str!("migrations/0030_events_by_place.sql")),
    (40, "valuations", include_str!("migrations/0040_valuations.sql")),
    (50, "loose_media", include_str!("migrations/0050_loose_media.sql")),
    (60, "waiting", include_str!("migrations/0060_waiting.sql")),
];

/// Not `sqlx::migrate!`: its macro crate would build a second SQLite, for the compiler alone.
pub(super) fn migrator() -> Migrator {
    let migration = |(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
}

/// Version of the tables: that of the last migration.
pub(super) fn tables() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_listed_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/register/migrations");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql")).collect();
        assert_eq!(listed, files);
    }
}
