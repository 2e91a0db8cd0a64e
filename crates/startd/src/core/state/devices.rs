//! Custom resources whose pieces have ids: which of them a claim gets, and what ads say of them.

use classad::{ClassAd, Env, Expr};
use model::{
    Devices, Now, Resources,
    planted::{Bug, planted},
};

use crate::core::state::core::Core;
use crate::core::words::{Custom, Device};

impl Core {
    /// The pieces that a claim of so much gets: of those that no other claim has, the first that
    /// the job takes (`require_gpus`).
    ///
    /// # Errors
    ///
    /// If there are too few of them: why, as a sentence.
    pub(in crate::core) fn choose_devices(
        &self,
        job: &ClassAd,
        part: &Resources,
        now: Now,
    ) -> Result<Devices, String> {
        let mut chosen = Devices::new();
        for custom in &self.machine.customs {
            let tag = &custom.tag;
            let wanted = part.custom.get(&tag.to_ascii_lowercase()).copied().unwrap_or(0);
            if wanted == 0 {
                continue;
            }
            let mut ids = Vec::new();
            if !custom.devices.is_empty() {
                let free = custom.devices.iter().filter(|device| self.is_free(tag, &device.id));
                let suits = free.filter(|device| suits(job, tag, device, now));
                let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
                ids = suits.take(wanted).map(|device| device.id.clone()).collect();
                if ids.len() < wanted {
                    return Err(format!("the machine has too few {tag} left that suit the job"));
                }
            }
            chosen.insert(tag.clone(), ids);
        }
        Ok(chosen)
    }

    /// Whether no claim has this one.
    pub(in crate::core) fn is_free(&self, tag: &str, id: &str) -> bool {
        let mut claims = self.state.claims.values().filter(|_| !planted(Bug::DeviceTwice));
        !claims
            .any(|claim| claim.devices.get(tag).is_some_and(|ids| ids.iter().any(|own| own == id)))
    }

    /// A resource as its administrator spells it.
    pub(in crate::core) fn spelt<'n>(&'n self, name: &'n str) -> &'n str {
        let mut tags = self.machine.customs.iter().map(|custom| custom.tag.as_str());
        tags.find(|tag| tag.eq_ignore_ascii_case(name)).unwrap_or(name)
    }
}

/// `AvailableGPUs`: the pieces that a slot has, each by the attribute that has its properties.
pub(in crate::core) fn set_available(
    ad: &mut ClassAd,
    custom: &Custom,
    has: impl Fn(&str) -> bool,
) {
    if custom.devices.is_empty() {
        return;
    }
    let having = custom.devices.iter().filter(|device| has(&device.id));
    let references = having.map(|device| Expr::attr(device.attribute.as_str()));
    ad.set(format!("Available{}", custom.tag), Expr::list(references));
}

/// Whether the job takes this one: by the function with which its Requirements count them (HTCondor
/// 25.14).
fn suits(job: &ClassAd, tag: &str, device: &Device, now: Now) -> bool {
    if job.get(&format!("Require{tag}")).is_none() {
        return true;
    }
    let mut slot = ClassAd::new();
    slot.set(device.attribute.as_str(), Expr::from(ClassAd::clone(&device.ad)));
    slot.set(format!("Available{tag}"), Expr::list([Expr::attr(device.attribute.as_str())]));
    let counted = format!("countMatches(MY.Require{tag}, TARGET.Available{tag}) == 1");
    let env = Env::at(now.wall.as_secs());
    counted.parse::<Expr>().is_ok_and(|expr| job.eval_expr(&expr, Some(&slot), &env).is_true())
}
