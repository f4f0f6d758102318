"""What tests ask of Dagster's GraphQL API."""

LAUNCH = """mutation($month: String!) { launchRun(executionParams: {
  selector: {repositoryLocationName: "tip_assets.definitions", repositoryName: "__repository__",
             jobName: "monthly_retraining_job"},
  executionMetadata: {tags: [{key: "dagster/partition", value: $month}]}})
  { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = """query($month: String!) { runsOrError(
  filter: {tags: [{key: "dagster/partition", value: $month}]})
  { ... on Runs { results { status startTime endTime } } } }"""
RESOURCES = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  allTopLevelResourceDetails { name configuredValues { key value type } } } } } }"""
