//! The settings' table as command-line flags.
//!
//! Flattened into the commands. Takes text only: values are judged together with those of the other sources, so
//! that a wrong one is a bad setting (64) and all are reported at once.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::table::{Group, Row, TABLE};

/// Flags of commands that open the database: setting's path → text.
pub struct DatabaseFlags(pub BTreeMap<&'static str, String>);

/// Flags of `serve`: all of them.
pub struct ServerFlags(pub BTreeMap<&'static str, String>);

const DATABASE: &[Group] = &[Group::Database, Group::Log];
const SERVER: &[Group] = &[Group::Database, Group::Server, Group::Log];

fn rows(groups: &'static [Group]) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(move |row| groups.contains(&row.group) && !row.file_only)
}

fn augment(command: Command, groups: &'static [Group]) -> Command {
    rows(groups).fold(command, |command, row| {
        let arg = Arg::new(row.path).long(row.flag()).value_name(row.shape).help(row.long_help());
        command.arg(arg.help_heading("Settings").allow_hyphen_values(false))
    })
}

fn read(matches: &ArgMatches, groups: &'static [Group]) -> BTreeMap<&'static str, String> {
    rows(groups).filter_map(|row| Some((row.path, matches.get_one::<String>(row.path)?.clone()))).collect()
}

macro_rules! flags {
    ($kind:ident, $groups:ident) => {
        impl FromArgMatches for $kind {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok($kind(read(matches, $groups)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0.extend(read(matches, $groups));
                Ok(())
            }
        }

        impl Args for $kind {
            fn augment_args(command: Command) -> Command {
                augment(command, $groups)
            }

            fn augment_args_for_update(command: Command) -> Command {
                augment(command, $groups)
            }
        }
    };
}
flags!(DatabaseFlags, DATABASE);
flags!(ServerFlags, SERVER);
