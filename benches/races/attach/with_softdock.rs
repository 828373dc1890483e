//! The race as softdock explores an engine: the attacher is plain code that loads and stores
//! through a door, and before each access the world may move, step by step.

use softdock::choice::{Chooser, Exhaustive, Open, Shape, What};
use softdock_attach::Site;

use super::Race;
use crate::Verdict;

struct World<'c> {
    race: Race,
    chooser: &'c mut Exhaustive,
    accesses: u32,
    words: [u8; 3],
    /// The polls that the target has begun, and its next step in the last of them.
    polls: u8,
    target: u8,
    events: u8,
    broken: bool,
}

const FLAG: usize = 0;
const PATH: usize = 1;
const BREAKER: usize = 2;

/// The run is cut short, or the attacher gives up.
struct Over;

pub(crate) fn explore(race: Race) -> Verdict {
    let mut chooser = Exhaustive::new(0, true);
    let mut broken = false;
    loop {
        let mut world = World::new(race, &mut chooser);
        let ended = attach(&mut world).and_then(|()| world.arrive());
        let wrong = world.broken;
        drop(ended);
        broken |= wrong && !chooser.was_cut();
        if !chooser.next_run(wrong) {
            return Verdict { broken, steps: chooser.states(), is_complete: true };
        }
    }
}

fn attach(world: &mut World<'_>) -> Result<(), Over> {
    if world.load(FLAG)? != 0 {
        return Ok(());
    }
    world.store(FLAG, 2)?;
    if world.load(FLAG)? != 2 {
        return Ok(());
    }
    if world.race.bug {
        world.store(FLAG, 1)?;
        world.store(PATH, 1)?;
    } else {
        world.store(PATH, 1)?;
        if world.load(PATH)? != 1 {
            return Ok(());
        }
        world.store(FLAG, 1)?;
    }
    world.store(BREAKER, 1)
}

impl World<'_> {
    fn new(race: Race, chooser: &mut Exhaustive) -> World<'_> {
        let (accesses, words) = (0, [0; 3]);
        World { race, chooser, accesses, words, polls: 0, target: 0, events: 0, broken: false }
    }

    fn load(&mut self, word: usize) -> Result<u8, Over> {
        self.arrive()?;
        self.chooser.observe(&[self.words[word]]);
        Ok(self.words[word])
    }

    fn store(&mut self, word: usize, value: u8) -> Result<(), Over> {
        self.arrive()?;
        self.chooser.observe(&[]);
        self.words[word] = value;
        Ok(())
    }

    /// Before an access: the others move, as far as the chooser lets them.
    fn arrive(&mut self) -> Result<(), Over> {
        self.accesses += 1;
        loop {
            let state = u128::from_le_bytes([
                self.words[0],
                self.words[1],
                self.words[2],
                self.polls,
                self.target,
                self.events,
                u8::from(self.broken),
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]);
            if !self.chooser.arrive(|| state) {
                return Err(Over);
            }
            let target = self.polls < self.race.polls;
            let events = self.events < self.race.events;
            let options = 1 + u32::from(target) + u32::from(events);
            if options == 1 {
                return Ok(());
            }
            let open = Open {
                access: self.accesses,
                site: Site::Recheck,
                hit: self.accesses,
                shape: Shape::Ask,
                what: What::Mover,
            };
            match (self.chooser.choose(open, options), target) {
                (0, _) => return Ok(()),
                (1, true) => self.poll(),
                _ => {
                    self.words[BREAKER] = 1;
                    self.events += 1;
                }
            }
        }
    }

    /// One load or store of the target.
    fn poll(&mut self) {
        let goes_on = match self.target {
            0 => self.words[BREAKER] != 0,
            1 => self.set(BREAKER, 0),
            2 => self.words[FLAG] == 1,
            3 => self.set(FLAG, 0),
            _ => {
                self.broken |= self.words[PATH] == 0;
                false
            }
        };
        self.target = if goes_on { self.target + 1 } else { 0 };
        self.polls += u8::from(!goes_on);
    }

    fn set(&mut self, word: usize, value: u8) -> bool {
        self.words[word] = value;
        true
    }
}
