//! What the world must be told of an event. Changes nothing; saying it twice does no harm.

use std::collections::BTreeMap;

use model::ScheddName;
use proto::matchmaking::ToSchedd;

use crate::core::state::core::Core;
use crate::core::words::{Change, Effect, Event, Fact};

impl Core {
    /// What the driver must do about it.
    pub fn react(&self, change: &Change, event: &Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Fact::Planned(plan) = &event.fact
            && plan.matches.iter().any(|planned| !planned.matched.limits.is_empty())
        {
            effects.push(Effect::SaveLimits(self.in_use.to_save()));
        }
        if let Fact::MachineDrained { .. } = &event.fact {
            effects.push(Effect::SaveDrains(self.drains.clone()));
        }
        if change.bookings {
            effects.push(Effect::SaveBookings(self.bookings.to_save()));
        }
        let mut tell = |schedd: &ScheddName, message| {
            effects.push(Effect::ToSchedd { schedd: schedd.clone(), message });
        };
        if let Some((schedds, names)) = &change.significant {
            schedds.iter().for_each(|schedd| tell(schedd, ToSchedd::Significant(names.clone())));
        }
        let drained = || self.drains.keys().cloned().collect();
        change.drained.iter().for_each(|schedd| tell(schedd, ToSchedd::Drained(drained())));
        if let Fact::Planned(plan) = &event.fact {
            let mut by_schedd: BTreeMap<&ScheddName, Vec<_>> = BTreeMap::new();
            for planned in &plan.matches {
                by_schedd.entry(&planned.schedd).or_default().push(planned.matched.clone());
            }
            by_schedd.into_iter().for_each(|(schedd, all)| tell(schedd, ToSchedd::Matches(all)));
            let mut booked: BTreeMap<&ScheddName, Vec<_>> = BTreeMap::new();
            for (schedd, answer) in &plan.booked {
                booked.entry(schedd).or_default().push(answer.clone());
            }
            booked.into_iter().for_each(|(schedd, all)| tell(schedd, ToSchedd::Booked(all)));
        }
        for (schedd, reasons) in &change.reasons {
            tell(schedd, ToSchedd::Reasons(reasons.clone()));
        }
        if matches!(event.fact, Fact::AccountsSaved | Fact::AccountsEdited { .. }) {
            effects.push(Effect::SaveAccounts);
        }
        effects
    }

    /// What a restart implies: nothing, because nobody is connected yet, and everybody who connects
    /// says all again.
    pub fn resume(&self) -> Vec<Effect> {
        Vec::new()
    }
}
