"""moto's server, mended where Terraform's provider notices that it is not AWS.

Belongs here: what moto 5.2 leaves out, each with what the provider does about it; a mend goes when
moto has it. Does not belong here: what is asked of the server (`deploy/apply_terraform.py`).
"""

import json
import os
from copy import deepcopy
from functools import wraps
from inspect import signature
from types import SimpleNamespace
from typing import Any

# Read while moto is imported. The roles of GitHub's workflows have policies of AWS's own; the
# account is that of yours.tfvars.example.
os.environ |= {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "MOTO_ACCOUNT_ID": "111122223333"}

import xmltodict
from moto.budgets.responses import BudgetsResponse
from moto.core.utils import camelcase_to_underscores
from moto.ec2.models.instances import Instance
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.iam.access_control import PermissionResult
from moto.rds.models import DBParameterGroup
from moto.route53 import models as route53
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.server import main


def no_opinion(*_: Any) -> PermissionResult:
    """Policies of buckets decide nothing.

    moto takes a condition that does not hold for a refusal, so it would refuse every TLS client.
    """
    return PermissionResult.NEUTRAL


def keep_lifecycle(original: Any) -> Any:
    """moto forgets `ObjectSizeGreaterThan`, and the provider waits until it reads what it wrote."""

    @wraps(original)
    def set_lifecycle(self: FakeBucket, rules: list[dict[str, Any]]) -> None:
        sent = {"LifecycleConfiguration": {"Rule": deepcopy(rules)}}
        original(self, rules)
        self.lifecycle_as_sent = xmltodict.unparse(sent)

    return set_lifecycle


def tell_lifecycle(original: Any) -> Any:
    @wraps(original)
    def get_bucket_lifecycle(self: S3Response) -> Any:
        status, headers, text = original(self)
        bucket = self.backend.get_bucket(self.bucket_name)
        return status, headers, getattr(bucket, "lifecycle_as_sent", text)

    return get_bucket_lifecycle


def read_services(original: Any) -> Any:
    """moto fails on `Principal: "*"` when it looks whether the log service may write."""

    @wraps(original)
    def permitted(target_bucket: FakeBucket, target_prefix: str | None) -> bool:
        policy = json.loads(target_bucket.policy or '{"Statement": []}')
        policy["Statement"] = [s for s in policy["Statement"] if s["Principal"] != "*"]
        facts = vars(target_bucket) | {"policy": json.dumps(policy).encode()}
        return bool(original(SimpleNamespace(**facts), target_prefix))

    return permitted


def keep_service(original: Any) -> Any:
    """moto keeps these only from an update; the provider would set them again and again."""

    @wraps(original)
    def create_service(self: EC2ContainerServiceResponse) -> Any:
        answer = original(self)
        for name in (
            "availabilityZoneRebalancing",
            "deploymentConfiguration",
            "healthCheckGracePeriodSeconds",
        ):
            value = self._get_param(name)
            if value is not None:
                setattr(answer.result["service"], camelcase_to_underscores(name), value)
        return answer

    return create_service


def keep_description(original: Any) -> Any:
    """moto keeps the description of a rule for addresses, not for groups and prefix lists."""

    @wraps(original)
    def set_up(self: SecurityGroupRule, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        given = signature(original).bind(self, *args, **kwargs).arguments
        of = given.get("source_group") or given.get("prefix_list_id") or {}
        if not self.ip_range and "Description" in of:
            self.ip_range = {"Description": of["Description"]}

    return set_up


def keep_source(original: Any) -> Any:
    """The provider reads parameters whose source is `user`; moto tells no source."""

    @wraps(original)
    def update_parameters(self: DBParameterGroup, parameters: Any) -> None:
        original(self, [parameter | {"Source": "user"} for parameter in parameters])

    return update_parameters


def keep_tags(original: Any) -> Any:
    """moto forgets a budget's tags."""

    @wraps(original)
    def create_budget(self: BudgetsResponse) -> str:
        answer = str(original(self))
        budget = _budget(self, self._get_param("Budget")["BudgetName"])
        budget.tags = self._get_param("ResourceTags")
        return answer

    return create_budget


def list_tags(self: BudgetsResponse) -> str:
    name = self._get_param("ResourceARN").rpartition("/")[2]
    return json.dumps({"ResourceTags": _budget(self, name).tags})


def update_budget(self: BudgetsResponse) -> str:
    """moto knows no change of a budget."""
    new = self._get_param("NewBudget")
    _budget(self, new["BudgetName"]).budget.update(new)
    return "{}"


def subscribers(self: BudgetsResponse) -> str:
    """moto stores the recipients of a budget and has no call that returns them."""
    asked = self._get_param("Notification")
    budget = _budget(self, self._get_param("BudgetName"))
    (found,) = (n for n in budget.notifications if _kind(n.details) == _kind(asked))
    return json.dumps({"Subscribers": found.subscribers})


def _budget(response: BudgetsResponse, name: str) -> Any:
    return response.backend.budgets[response.current_account][name]


def _kind(notification: dict[str, Any]) -> Any:
    return notification["NotificationType"]


def keep_groups(original: Any) -> Any:
    """moto forgets an instance's security groups if its network interface gives them."""

    @wraps(original)
    def prepare_interfaces(self: Instance, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.security_groups = self.security_groups or list(self.nics[0].group_set)

    return prepare_interfaces


def with_letter(original: Any) -> Any:
    """Ids of zones begin with Z, as variables.tf asks."""

    @wraps(original)
    def zone_id(*args: Any, **kwargs: Any) -> str:
        return f"Z{original(*args, **kwargs)}"

    return zone_id


FakeBucket.get_permission = no_opinion
Instance.prep_nics = keep_groups(Instance.prep_nics)
FakeBucket.set_lifecycle = keep_lifecycle(FakeBucket.set_lifecycle)
S3Response.get_bucket_lifecycle = tell_lifecycle(S3Response.get_bucket_lifecycle)
FakeBucket._log_permissions_enabled_policy = staticmethod(
    read_services(FakeBucket._log_permissions_enabled_policy)
)
BudgetsResponse.create_budget = keep_tags(BudgetsResponse.create_budget)
BudgetsResponse.describe_subscribers_for_notification = subscribers
BudgetsResponse.list_tags_for_resource = list_tags
BudgetsResponse.update_budget = update_budget
EC2ContainerServiceResponse.create_service = keep_service(
    EC2ContainerServiceResponse.create_service
)
SecurityGroupRule.__init__ = keep_description(SecurityGroupRule.__init__)
DBParameterGroup.update_parameters = keep_source(DBParameterGroup.update_parameters)
route53.create_route53_zone_id = with_letter(route53.create_route53_zone_id)

if __name__ == "__main__":
    main()
