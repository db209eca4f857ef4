//! The words of the register: each with its one spelling in events and on the command line.

use serde::{Deserialize, Serialize};

/// An enumeration of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// As in events and on the command line.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The one of that name.
            pub fn of_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|v| v.name() == name)
            }
        }
    };
}

pub(super) use words;

words!(
    /// Whether the asset is a thing. A practice asset is virtual and closed by a virtual medium.
    AssetClass {
        /// A thing.
        Physical = "physical",
        /// For practice, or a virtual machine.
        Virtual = "virtual",
    }
);
words!(
    /// The organization's data classes.
    DataClass {
        /// No data of anybody.
        None = "none",
        /// Internal.
        Internal = "internal",
        /// Confidential.
        Confidential = "confidential",
        /// Regulated: health, cards, personal data. Also what is assumed when nothing is said.
        Regulated = "regulated",
    }
);
words!(
    /// The second dimension beside the stage.
    Condition {
        /// Works.
        Ok = "ok",
        /// Works in part.
        Degraded = "degraded",
        /// Does not work.
        Failed = "failed",
        /// Not found.
        Missing = "missing",
        /// Stolen.
        Stolen = "stolen",
    }
);
words!(
    /// Steps of the two checklists.
    Item {
        /// Deployment: the tag is on it.
        Tagged = "tagged",
        /// Deployment: software.
        SoftwareInstalled = "software_installed",
        /// Deployment: security policy.
        SecurityPolicyApplied = "security_policy_applied",
        /// Deployment: network.
        NetworkJoined = "network_joined",
        /// Deployment: the user knows how.
        UserTrained = "user_trained",
        /// Decommissioning: what must be kept is kept elsewhere.
        DataBackup = "data_backup",
        /// Decommissioning: licences.
        LicenceRemoval = "licence_removal",
        /// Decommissioning: off the network.
        NetworkDisconnect = "network_disconnect",
        /// Decommissioning: credentials, certificates, accounts.
        CredentialRevoke = "credential_revoke",
        /// Decommissioning: out of device management, activation lock off.
        MdmRelease = "mdm_release",
        /// Decommissioning: labels that name the owner.
        AssetLabelRemoved = "asset_label_removed",
        /// Server: who depends on it was asked, and has agreed.
        DependenciesChecked = "dependencies_checked",
        /// Server: its services run elsewhere, or were ended.
        ServicesMigrated = "services_migrated",
        /// Server: out of monitoring and alarms.
        MonitoringRemoved = "monitoring_removed",
        /// Server: out of the backup plan; the last backup was restored for a test.
        BackupJobsRemoved = "backup_jobs_removed",
        /// Server, network: names, addresses and reservations.
        DnsRemoved = "dns_removed",
        /// Server, network: rules that name it.
        FirewallRulesRemoved = "firewall_rules_removed",
        /// Server: storage of the network is no longer mapped to it.
        StorageUnmapped = "storage_unmapped",
        /// Server: management controller (BMC) reset: accounts, keys, network.
        ControllerReset = "controller_reset",
        /// Server, network: out of the rack, cables and power.
        RackRemoved = "rack_removed",
        /// Network: configuration and keys erased.
        ConfigurationErased = "configuration_erased",
        /// Mobile: SIM taken out, or its profile deleted.
        SimRemoved = "sim_removed",
    }
);
words!(
    /// What a medium is, as far as data goes.
    MediumState {
        /// Holds data.
        InUse = "in_use",
        /// Out of use, to be sanitized.
        Awaiting = "awaiting",
        /// A passing certificate stands.
        Sanitized = "sanitized",
        /// Sanitization failed: to be destroyed.
        Failed = "failed",
        /// Destroyed, by a record.
        Destroyed = "destroyed",
        /// Not where it should be.
        Absent = "absent",
    }
);
words!(
    /// How an asset leaves.
    Route {
        /// Sold.
        Resale = "resale",
        /// Recycled.
        Recycling = "recycling",
        /// Destroyed.
        Destruction = "destruction",
        /// Given away.
        Donation = "donation",
        /// Back to its lessor.
        LeaseReturn = "lease_return",
    }
);
words!(
    /// What became of it.
    LineOutcome {
        /// Sold.
        Sold = "sold",
        /// Recycled.
        Recycled = "recycled",
        /// Destroyed.
        Destroyed = "destroyed",
        /// Given away.
        Donated = "donated",
        /// Returned.
        Returned = "returned",
    }
);
words!(
    /// What sort of amount.
    CostCategory {
        /// Price and everything until it works.
        Acquisition = "acquisition",
        /// Power, space, support, insurance, taxes.
        Operational = "operational",
        /// Repairs, parts.
        Maintenance = "maintenance",
        /// Costs of getting rid of it.
        Disposition = "disposition",
        /// What it brought at the end.
        Recovery = "recovery",
        /// What it brought in use.
        Benefit = "benefit",
    }
);

impl Item {
    /// The steps of deployment.
    pub const DEPLOYMENT: &'static [Item] =
        &[Item::Tagged, Item::SoftwareInstalled, Item::SecurityPolicyApplied, Item::NetworkJoined, Item::UserTrained];
    /// The steps of decommissioning, all of which the close rule wants.
    pub const DECOMMISSIONING: &'static [Item] = &[
        Item::DataBackup,
        Item::LicenceRemoval,
        Item::NetworkDisconnect,
        Item::CredentialRevoke,
        Item::MdmRelease,
        Item::AssetLabelRemoved,
    ];

    /// What decommissioning a server asks for besides.
    pub const SERVER: &'static [Item] = &[
        Item::DependenciesChecked,
        Item::ServicesMigrated,
        Item::MonitoringRemoved,
        Item::BackupJobsRemoved,
        Item::DnsRemoved,
        Item::FirewallRulesRemoved,
        Item::StorageUnmapped,
        Item::ControllerReset,
        Item::RackRemoved,
    ];

    /// What decommissioning a switch, router or firewall asks for besides.
    pub const NETWORK: &'static [Item] =
        &[Item::ConfigurationErased, Item::DnsRemoved, Item::FirewallRulesRemoved, Item::RackRemoved];

    /// What decommissioning a phone or tablet asks for besides.
    pub const MOBILE: &'static [Item] = &[Item::SimRemoved];

    /// Name of the checklist template for a category of things, and what it asks for besides
    /// [`Item::DECOMMISSIONING`].
    pub fn template(category: Option<&str>) -> (&'static str, &'static [Item]) {
        let category = category.unwrap_or_default().to_lowercase();
        let any = |words: &[&str]| words.iter().any(|word| category.contains(word));
        if any(&["server"]) {
            ("server", Item::SERVER)
        } else if any(&["switch", "router", "firewall", "access point", "network"]) {
            ("network", Item::NETWORK)
        } else if any(&["phone", "tablet", "mobile"]) {
            ("mobile", Item::MOBILE)
        } else {
            ("basic", &[])
        }
    }
}

impl Route {
    /// The only outcome that fits the route.
    pub fn outcome(self) -> LineOutcome {
        match self {
            Route::Resale => LineOutcome::Sold,
            Route::Recycling => LineOutcome::Recycled,
            Route::Destruction => LineOutcome::Destroyed,
            Route::Donation => LineOutcome::Donated,
            Route::LeaseReturn => LineOutcome::Returned,
        }
    }
}
