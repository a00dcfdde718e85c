//! Small scenarios of one test: four documents with words in them that each test replaces by its own.

use aurelius_sim::input::render::{Colour, render_all};
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::scenario::Scenario;

/// The documents. `CATALOGUE` in the cluster profile is the path of the shipped catalogue of EKS.
pub(crate) struct Templates<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) services: &'a str,
    pub(crate) manifests: &'a str,
    pub(crate) scenario: &'a str,
}

impl Templates<'_> {
    /// The scenario that they say with words replaced: those of the test first, then the usual ones.
    pub(crate) fn scenario(&self, words: &[(&str, &str)], usual: &[(&str, &str)]) -> Scenario {
        let here = std::env::current_dir().expect("tests run somewhere");
        let catalogue = here.join("profiles/instances/aws_eks_us-east-1.csv");
        let folder = tempfile::tempdir().expect("a folder can be made");
        for (name, text) in [
            ("cluster.yaml", self.cluster),
            ("services.yaml", self.services),
            ("manifests.yaml", self.manifests),
            ("scenario.yaml", self.scenario),
        ] {
            let text = text.replace("CATALOGUE", &catalogue.display().to_string());
            let text =
                words.iter().chain(usual).fold(text, |text, (from, to)| text.replace(from, to));
            std::fs::write(folder.path().join(name), text).expect("it can be written");
        }
        let loaded = load_scenario(&folder.path().join("scenario.yaml"), &LoadOptions::default());
        let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain);
        loaded.scenario.unwrap_or_else(|| panic!("{said}"))
    }
}
