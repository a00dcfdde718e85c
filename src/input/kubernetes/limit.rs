//! ResourceQuota and LimitRange (v1).

use super::container::resource_list;
use super::meta::{metadata, object_fields};
use crate::cluster::api::limit::{
    LimitRangeItem, LimitRangeSpec, QuotaResource, QuotaScope, ResourceQuotaSpec,
};
use crate::cluster::api::selector::SelectorOperator;
use crate::input::codes;
use crate::input::decode::Value;
use crate::units::ResourceList;

/// v1 ResourceQuota: what pods use of it. A quota with a scope that is not simulated is
/// left out with a warning.
pub(super) fn resource_quota(value: &Value<'_>) -> Option<ResourceQuotaSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.required("spec");
    fields.finish("ResourceQuota (v1)");
    let spec = spec?.fields()?;
    let hard = spec.read_or("hard", Vec::new(), |hard| {
        let read = |(name, value): (crate::input::decode::Name<'_>, Value<'_>)| {
            let Some(resource) = QuotaResource::named(name.text) else { return Some(None) };
            let amount = value.quantity()?;
            let amount =
                if resource.is_milli() { amount.milli_value_ceil() } else { amount.value_ceil() };
            Some(Some((resource, amount)))
        };
        let read: Vec<Option<_>> = hard.entries()?.into_iter().map(read).collect();
        let read: Option<Vec<_>> = read.into_iter().collect();
        Some(read?.into_iter().flatten().collect())
    });
    let scopes = spec.read_or("scopes", Vec::new(), |scopes| scopes.list(plain_scope));
    let selected = spec.read_or("scopeSelector", Vec::new(), scope_selector);
    spec.finish("ResourceQuotaSpec (v1)");
    let mut scopes = scopes?;
    scopes.extend(selected?);
    let Some(scopes) = scopes.into_iter().collect() else {
        let message = "has a scope that is not simulated: it is left out";
        value.report(value.warning(codes::UNSUPPORTED, message));
        return None;
    };
    Some(ResourceQuotaSpec { meta: meta?, hard: hard?, scopes })
}

/// A scope without a selector; `Some(None)` is one that is not simulated.
fn plain_scope(value: &Value<'_>) -> Option<Option<QuotaScope>> {
    value.word(&[
        ("BestEffort", Some(QuotaScope::BestEffort)),
        ("NotBestEffort", Some(QuotaScope::NotBestEffort)),
        ("NotTerminating", Some(QuotaScope::NotTerminating)),
        ("Terminating", None),
        ("CrossNamespacePodAffinity", None),
        (
            "PriorityClass",
            Some(QuotaScope::PriorityClass {
                operator: SelectorOperator::Exists,
                values: Vec::new(),
            }),
        ),
    ])
}

/// `scopeSelector.matchExpressions`.
fn scope_selector(value: &Value<'_>) -> Option<Vec<Option<QuotaScope>>> {
    let fields = value.fields()?;
    let found = fields.read_or("matchExpressions", Vec::new(), |all| all.list(scope_expression));
    fields.finish("ScopeSelector (v1)");
    found
}

fn scope_expression(value: &Value<'_>) -> Option<Option<QuotaScope>> {
    let fields = value.fields()?;
    let scope = fields.required("scopeName").and_then(|name| plain_scope(&name));
    let operators = [
        ("In", SelectorOperator::In),
        ("NotIn", SelectorOperator::NotIn),
        ("Exists", SelectorOperator::Exists),
        ("DoesNotExist", SelectorOperator::DoesNotExist),
    ];
    let operator = fields.required("operator").and_then(|value| value.word(&operators));
    let values = fields.read_or("values", Vec::new(), |value| value.list(Value::shared));
    fields.finish("ScopedResourceSelectorRequirement (v1)");
    let (operator, values) = (operator?, values?);
    Some(match scope? {
        Some(QuotaScope::PriorityClass { .. }) => {
            Some(QuotaScope::PriorityClass { operator, values })
        }
        other => other,
    })
}

/// v1 LimitRange: its items of type Container, with what the API server fills in
/// (pkg/apis/core/v1/defaults.go `SetDefaults_LimitRangeItem`).
pub(super) fn limit_range(value: &Value<'_>) -> Option<LimitRangeSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.required("spec");
    fields.finish("LimitRange (v1)");
    let spec = spec?.fields()?;
    let items = spec.required("limits").and_then(|limits| limits.list(item));
    spec.finish("LimitRangeSpec (v1)");
    Some(LimitRangeSpec { meta: meta?, items: items?.into_iter().flatten().collect() })
}

fn item(value: &Value<'_>) -> Option<Option<LimitRangeItem>> {
    let fields = value.fields()?;
    let kind = fields.required("type").and_then(|kind| kind.non_empty());
    let list = |name| fields.read_or(name, ResourceList::default(), resource_list);
    let (default, default_request) = (list("default"), list("defaultRequest"));
    let (min, max) = (list("min"), list("max"));
    fields.ignore(&["maxLimitRequestRatio"]);
    fields.finish("LimitRangeItem (v1)");
    let (mut default, mut default_request, min, max) = (default?, default_request?, min?, max?);
    if kind? != "Container" {
        return Some(None);
    }
    merge(&mut default, &max);
    merge(&mut default_request, &default);
    merge(&mut default_request, &min);
    Some(Some(LimitRangeItem { default, default_request, min, max }))
}

fn merge(list: &mut ResourceList, from: &ResourceList) {
    list.cpu = list.cpu.or(from.cpu);
    list.memory = list.memory.or(from.memory);
    list.ephemeral_storage = list.ephemeral_storage.or(from.ephemeral_storage);
}
