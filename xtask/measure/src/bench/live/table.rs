//! The figures of `bench live` for people, beside Falco's.

use super::load::{Load, PHASES, Phase};
use super::sensor::Start;
use super::{Loaded, Set, median};

/// What Falco 0.44 cost under the same load with the same rules, from
/// `shared/captures/FIGURES.md`: 2 vCPU EPYC, kernel 6.18, medians of 5. Another machine's figures:
/// what can be compared are ratios.
pub struct Falco {
    /// By how much each phase took more CPU, in percent: open, getpid, pipe.
    phases: [(&'static str, f64); 3],
    /// By how much the whole load took longer, in percent.
    wall: f64,
    /// CPU seconds of Falco for the load.
    cpu: f64,
    /// Percent of the events that were lost.
    lost: f64,
    /// Peak resident size in MiB.
    peak: f64,
    /// CPU seconds to start.
    start: f64,
}

/// Events of the load, both sets of rules.
const EVENTS: f64 = 2.018e6;

/// Wall seconds of the load on that machine without a sensor: how fast it is.
const FALCO_ALONE: f64 = 5.76;

/// With the stable rules.
pub const FALCO_STABLE: Falco = Falco {
    phases: [("open", 65.0), ("getpid", 73.0), ("pipe", 36.0)],
    wall: 40.0,
    cpu: 4.73,
    lost: 0.0,
    peak: 77.0,
    start: 2.4,
};

/// With stable, incubating and sandbox rules.
pub const FALCO_ALL: Falco = Falco {
    phases: [("open", 88.0), ("getpid", 85.0), ("pipe", 30.0)],
    wall: 61.0,
    cpu: 7.32,
    lost: 47.5,
    peak: 82.0,
    start: 2.8,
};

/// What was measured.
pub struct Table<'a> {
    pub sets: &'a [Set],
    /// The load without a sensor, a round each.
    pub without: &'a [Load],
    /// For each set the load with a sensor, a round each.
    pub with: &'a [Vec<Loaded>],
}

impl Table<'_> {
    /// Prints what the load took and what the sensor did, a row each.
    pub fn print(&self) {
        let mut head = vec!["none".to_owned()];
        for set in self.sets {
            head.extend([set.name.to_owned(), "more".into(), "Falco".into()]);
        }
        row("", &head);
        for name in PHASES {
            let (unit, factor) = if name == "total" { ("s", 1e-9) } else { ("ns", 1.0) };
            self.phase(name, &format!("wall {unit}"), |p| p.wall * factor);
            self.phase(name, &format!("CPU {unit}"), |p| p.cpu * factor);
        }
        let totals = self.without.iter().filter_map(|l| l.phase("total"));
        let alone = median(totals.map(|p| p.wall / 1e9).collect());
        self.figure("sensor: CPU s", 3, |l| l.cpu, |f| format!("{:.2}", f.cpu));
        let share = |f: &Falco| format!("{:.0}", 100.0 * f.cpu / FALCO_ALONE);
        self.figure("sensor: % of load alone", 1, |l| 100.0 * l.cpu / alone, share);
        let an_event =
            |f: &Falco| format!("{:.0}", 1e9 * f.cpu / (EVENTS * (1.0 - f.lost / 100.0)));
        self.figure("sensor: CPU ns an event", 0, |l| 1e9 * l.cpu / l.seen.handled(), an_event);
        self.figure("events", 0, |l| l.seen.events as f64, |_| format!("{EVENTS:.0}"));
        let lost = |l: &Loaded| 100.0 * l.seen.lost() as f64 / l.seen.events as f64;
        self.figure("lost events", 0, |l| l.seen.lost() as f64, |_| String::new());
        self.figure("lost %", 1, lost, |f| format!("{:.1}", f.lost));
        self.figure("sensor: peak MiB", 1, |l| l.peak, |f| format!("{:.0}", f.peak));
        self.figure("start: CPU s", 3, |l| l.start.cpu, |f| format!("{:.1}", f.start));
        self.figure("start: wall s", 3, |l| l.start.wall, |_| String::new());
        for (set, with) in self.sets.iter().zip(self.with) {
            let worst = with.iter().map(|l| &l.seen).max_by_key(|seen| seen.lost());
            if let Some(worst) = worst.filter(|seen| seen.lost() > 0) {
                let causes = worst.dropped.iter().filter(|(_, n)| **n > 0);
                let causes: Vec<_> = causes.map(|(cause, n)| format!("{cause} {n}")).collect();
                println!("lost in the worst round with {}: {}", set.name, causes.join(", "));
            }
        }
        println!(
            "Falco's figures are another machine's: what can be compared is what is in percent.\n\
             \"more\" is the load's cost; \"load alone\" is its wall time without a sensor."
        );
    }

    /// A row with the time of the phase `name`, if there was one.
    fn phase(&self, name: &str, what: &str, time: impl Fn(Phase) -> f64) {
        let middle = |loads: Vec<&Load>| {
            let phases = loads.into_iter().map(|l| l.phase(name)).collect::<Option<Vec<_>>>()?;
            Some(median(phases.into_iter().map(&time).collect()))
        };
        let Some(alone) = middle(self.without.iter().collect()) else { return };
        let digits = if alone < 100.0 { 2 } else { 0 };
        let mut cells = vec![format!("{alone:.digits$}")];
        for (set, with) in self.sets.iter().zip(self.with) {
            let Some(loaded) = middle(with.iter().map(|l| &l.load).collect()) else { return };
            let falco = set.falco.and_then(|f| match (name, what) {
                ("total", "wall s") => Some(f.wall),
                (_, "CPU ns") => f.phases.iter().find(|(n, _)| *n == name).map(|(_, more)| *more),
                _ => None,
            });
            cells.push(format!("{loaded:.digits$}"));
            cells.push(format!("{:+.0} %", 100.0 * (loaded / alone - 1.0)));
            cells.push(falco.map(|more| format!("{more:+.0} %")).unwrap_or_default());
        }
        row(&format!("{name}: {what}"), &cells);
    }

    /// A row with a figure of the sensor with each set, and Falco's.
    fn figure(
        &self,
        name: &str,
        digits: usize,
        ours: impl Fn(&Loaded) -> f64,
        falco: impl Fn(&Falco) -> String,
    ) {
        let mut cells = vec![String::new()];
        for (set, with) in self.sets.iter().zip(self.with) {
            let ours = median(with.iter().map(&ours).collect());
            let falco = set.falco.map(&falco).unwrap_or_default();
            cells.extend([format!("{ours:.digits$}"), String::new(), falco]);
        }
        row(name, &cells);
    }
}

fn row(name: &str, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>13}")).collect();
    println!("{name:<24} {}", cells.join(" ").trim_end());
}

/// Prints what starting took.
pub fn starts(sets: &[Set], starts: &[Vec<Start>]) {
    for (set, starts) in sets.iter().zip(starts) {
        let middle = |time: fn(&Start) -> f64| 1e3 * median(starts.iter().map(time).collect());
        let (wall, cpu) = (middle(|s| s.wall), middle(|s| s.cpu));
        println!("{:<24} {wall:.0} ms from exec to the first alert, {cpu:.0} ms of CPU", set.name);
    }
}
