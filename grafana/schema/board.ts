// What a dashboard's JSON must be: Grafana's own types, plugin by plugin, and the two data sources.
//
// The schema leaves a panel's options and custom fields open, since they are the plugin's, and
// queries, since they are the data source's. Here they are closed: an option that the plugin does
// not have is an error, like a wrong value. `Plain` is a type as JSON writes it: the words of an
// enum are strings.

import type {
  AnnotationQuery, Dashboard, DashboardLink, DataSourceRef, DataTransformerConfig, FieldConfig,
  Panel, RowPanel, VariableModel,
} from "@grafana/schema";
import type * as Stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as StateTimeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as Table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as Text from "@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen";
import type * as TimeSeries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends Array<infer Item>
      ? Plain<Item>[]
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

interface Source<Type extends string, Uid extends string> extends DataSourceRef {
  type: Type;
  uid: Uid;
}
type MetricStore = Source<"grafana-postgresql-datasource", "tips-metric-store">;
type Prometheus = Source<"prometheus", "tips-prometheus">;
type Mixed = Source<"datasource", "-- Mixed --">;

interface Sql {
  refId: string;
  datasource: MetricStore;
  editorMode: "code";
  format: "table" | "time_series";
  rawQuery: true;
  rawSql: string;
}
interface PromqlSeries {
  refId: string;
  datasource: Prometheus;
  editorMode: "code";
  expr: string;
  format: "time_series";
  legendFormat: string;
  range: true;
}
interface PromqlTable {
  refId: string;
  datasource: Prometheus;
  editorMode: "code";
  expr: string;
  format: "table";
  instant: true;
}

type Mapping = NonNullable<Plain<FieldConfig>["mappings"]>;
interface DataLink {
  title: string;
  url: string;
  targetBlank: boolean;
}
// What an override may set, by the id that Grafana gives it.
type Property<Custom> =
  | { id: "displayName" | "unit"; value: string }
  | { id: "mappings"; value: Mapping }
  | { id: "links"; value: DataLink[] }
  | { id: "color"; value: NonNullable<Plain<FieldConfig>["color"]> }
  | { [Key in keyof Custom & string]: { id: `custom.${Key}`; value: Custom[Key] } }[keyof Custom &
      string];

interface Fields<Custom> {
  defaults: Omit<Plain<FieldConfig>, "custom" | "links"> & { custom?: Custom };
  overrides: { matcher: { id: "byName"; options: string }; properties: Property<Custom>[] }[];
}

type Transformation =
  | (Plain<Omit<DataTransformerConfig, "options">> & {
      id: "configFromData";
      options: {
        configRefId: string;
        mappings: { fieldName: string; handlerKey: "threshold1"; reducerId: "lastNotNull" }[];
      };
    })
  | (Plain<Omit<DataTransformerConfig, "options">> & {
      id: "organize";
      options: { excludeByName: Record<string, boolean> };
    });

type Common = Required<Pick<Plain<Panel>, "id" | "title" | "description" | "gridPos">> & {
  links?: Plain<DashboardLink>[];
};
type Asking<Type extends string, Options, Custom> = Common & {
  type: Type;
  datasource: MetricStore | Prometheus | Mixed;
  targets: (Sql | PromqlSeries | PromqlTable)[];
  options: Plain<Options>;
  fieldConfig: Fields<Plain<Custom>>;
  transformations?: Transformation[];
};
type Shown =
  | Asking<"timeseries", TimeSeries.Options, TimeSeries.FieldConfig>
  | Asking<"stat", Stat.Options, never>
  | Asking<"table", Table.Options, Table.FieldConfig & { hidden?: boolean }>
  | Asking<"state-timeline", StateTimeline.Options, StateTimeline.FieldConfig>
  | (Common & { type: "text"; options: Plain<Text.Options> });

type Heading = Omit<Plain<RowPanel>, "panels" | "datasource"> & { panels: Shown[] };
type Annotation = Omit<Plain<AnnotationQuery>, "datasource" | "target"> & {
  datasource: MetricStore;
  target: Sql;
};
type Variable = Omit<Plain<VariableModel>, "datasource" | "query"> &
  ({ type: "query"; datasource: MetricStore; query: string } | { type: "constant"; query: string });

export type Board = Required<
  Pick<
    Plain<Dashboard>,
    "uid" | "title" | "description" | "tags" | "schemaVersion" | "editable" | "graphTooltip" |
    "timezone" | "time" | "refresh" | "links"
  >
> & {
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
  panels: (Shown | Heading)[];
};
