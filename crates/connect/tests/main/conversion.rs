//! Messages and the plans they become, row by row; and messages that are refused.

use crate::fake::{Client, Fake, client, connected, serve};
use crate::requests::{error_class, error_info, execute, rel, root, run, schema_of, table, uuid};
use connect::pb;
use connect::pb::execute_plan_response::ResponseType;
use connect::pb::expression::{self as ex, ExprType};
use connect::pb::relation::RelType;
use connect::{STACK_BYTES, Work};
use plan::{
    CastMode, Command, DataType, Expr, Join, JoinCondition, JoinType, Literal, NullOrder, Relation,
    RelationKind, SaveMode, SortOrder, SubqueryKind, Write, WriteTarget,
};
use prost::Message;
use tonic::Status;

fn expr(expr_type: ExprType) -> pb::Expression {
    pb::Expression { common: None, expr_type: Some(expr_type) }
}

fn column(name: &str) -> pb::Expression {
    expr(ExprType::UnresolvedAttribute(ex::UnresolvedAttribute {
        unparsed_identifier: name.into(),
        ..Default::default()
    }))
}

fn constant(value: ex::literal::LiteralType) -> pb::Expression {
    expr(ExprType::Literal(ex::Literal { literal_type: Some(value), data_type: None }))
}

fn long(n: i64) -> pb::Expression {
    constant(ex::literal::LiteralType::Long(n))
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are all optional")]
fn boxed<T>(of: T) -> Option<Box<T>> {
    Some(Box::new(of))
}

fn project(expressions: Vec<pb::Expression>) -> pb::Relation {
    let input = boxed(table("t"));
    rel(RelType::Project(Box::new(pb::Project { input, expressions })))
}

fn t() -> Relation {
    RelationKind::Table { name: vec!["t".into()], options: Vec::new() }.into()
}

/// The relation that the backend receives for a message.
async fn converted(
    client: &mut Client,
    seen: &crate::fake::Seen,
    relation: pb::Relation,
) -> Result<Relation, Status> {
    client.analyze_plan(schema_of(&uuid(), relation)).await?;
    Ok(seen.relations.lock().expect("no panic").pop().expect("the backend was asked"))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn expressions_become_names_and_calls() {
    let lambda_variable = ex::UnresolvedNamedLambdaVariable { name_parts: vec!["x_1".into()] };
    let cases: Vec<(pb::Expression, Expr)> = vec![
        (column("a.`b c`"), Expr::Column { name: vec!["a".into(), "b c".into()], plan_id: None }),
        (
            expr(ExprType::UnresolvedAttribute(ex::UnresolvedAttribute {
                unparsed_identifier: "a".into(),
                plan_id: Some(7),
                is_metadata_column: None,
            })),
            Expr::Column { name: vec!["a".into()], plan_id: Some(7) },
        ),
        (long(3), Expr::Literal(Literal::Long(3))),
        (
            constant(ex::literal::LiteralType::Decimal(ex::literal::Decimal {
                value: "-1.50".into(),
                precision: Some(5),
                scale: Some(3),
            })),
            Expr::Literal(Literal::Decimal { unscaled: -1500, precision: 5, scale: 3 }),
        ),
        (
            expr(ExprType::UnresolvedFunction(ex::UnresolvedFunction {
                function_name: "count".into(),
                arguments: vec![column("a")],
                is_distinct: true,
                ..Default::default()
            })),
            match Expr::call("count", vec![Expr::column("a")]) {
                Expr::Function(call) => {
                    Expr::Function(plan::FunctionCall { distinct: true, ..call })
                }
                other => other,
            },
        ),
        (
            expr(ExprType::UnresolvedStar(ex::UnresolvedStar {
                unparsed_target: Some("t.*".into()),
                plan_id: None,
            })),
            Expr::Star { target: vec!["t".into()], except: vec![], plan_id: None },
        ),
        (
            expr(ExprType::UnresolvedRegex(ex::UnresolvedRegex {
                col_name: "`(a|b).*`".into(),
                plan_id: Some(1),
            })),
            Expr::ColumnRegex { pattern: "(a|b).*".into(), plan_id: Some(1) },
        ),
        (
            expr(ExprType::Alias(Box::new(ex::Alias {
                expr: boxed(column("a")),
                name: vec!["b".into()],
                metadata: Some("{}".into()),
            }))),
            Expr::column("a").alias("b"),
        ),
        (
            expr(ExprType::Cast(Box::new(ex::Cast {
                expr: boxed(column("a")),
                eval_mode: ex::cast::EvalMode::Try.into(),
                cast_to_type: Some(ex::cast::CastToType::TypeStr("int".into())),
            }))),
            Expr::Cast {
                expr: Box::new(Expr::column("a")),
                to: DataType::Integer,
                mode: CastMode::Try,
            },
        ),
        (
            expr(ExprType::LambdaFunction(Box::new(ex::LambdaFunction {
                function: boxed(expr(ExprType::UnresolvedNamedLambdaVariable(
                    lambda_variable.clone(),
                ))),
                arguments: vec![lambda_variable],
            }))),
            Expr::Lambda {
                body: Box::new(Expr::LambdaVariable("x_1".into())),
                parameters: vec!["x_1".into()],
            },
        ),
        (
            expr(ExprType::SubqueryExpression(pb::SubqueryExpression {
                plan_id: 9,
                subquery_type: pb::subquery_expression::SubqueryType::In.into(),
                in_subquery_values: vec![column("a")],
                ..Default::default()
            })),
            Expr::Subquery {
                kind: SubqueryKind::In(vec![Expr::column("a")]),
                query: Box::new(RelationKind::Reference(9).into()),
            },
        ),
        (
            expr(ExprType::UpdateFields(Box::new(ex::UpdateFields {
                struct_expression: boxed(column("s")),
                field_name: "a.b".into(),
                value_expression: None,
            }))),
            Expr::UpdateField {
                child: Box::new(Expr::column("s")),
                field: vec!["a".into(), "b".into()],
                value: None,
            },
        ),
        (
            expr(ExprType::ExpressionString(ex::ExpressionString { expression: "a + 1".into() })),
            Expr::Text("a + 1".into()),
        ),
    ];
    let (seen, mut client) = connected().await;
    for (message, expected) in cases {
        let relation = converted(&mut client, &seen, project(vec![message])).await.unwrap();
        let expected = RelationKind::Project { input: t(), expressions: vec![expected] };
        assert_eq!(*relation.kind, expected);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn relations_become_relations() {
    let order = ex::SortOrder {
        child: boxed(column("a")),
        direction: ex::sort_order::SortDirection::Descending.into(),
        null_ordering: ex::sort_order::NullOrdering::SortNullsLast.into(),
    };
    let key = SortOrder { expr: Expr::column("a"), ascending: false, nulls: NullOrder::Last };
    let join = pb::Join {
        left: boxed(table("t")),
        right: boxed(table("t")),
        join_type: pb::join::JoinType::LeftAnti.into(),
        using_columns: vec!["a".into()],
        ..Default::default()
    };
    let mut named = table("t");
    named.common = Some(pb::RelationCommon { plan_id: Some(4), ..Default::default() });
    let sql =
        pb::Sql { query: "SELECT ?".into(), pos_arguments: vec![long(1)], ..Default::default() };
    let sql = rel(RelType::Sql(sql));
    let view = rel(RelType::SubqueryAlias(Box::new(pb::SubqueryAlias {
        input: boxed(table("t")),
        alias: "v".into(),
        qualifier: vec![],
    })));
    let text = || RelationKind::Sql {
        text: "SELECT ?".into(),
        arguments: vec![("0".into(), Expr::Literal(Literal::Long(1)))],
    };
    let beside = |root: pb::Relation, reference: pb::Relation| {
        rel(RelType::WithRelations(Box::new(pb::WithRelations {
            root: boxed(root),
            references: vec![reference],
        })))
    };
    let cases: Vec<(pb::Relation, RelationKind)> = vec![
        (
            rel(RelType::Range(pb::Range {
                start: None,
                end: 10,
                step: 2,
                num_partitions: Some(3),
            })),
            RelationKind::Range { start: 0, end: 10, step: 2, partitions: Some(3) },
        ),
        (
            rel(RelType::Sort(Box::new(pb::Sort {
                input: boxed(named),
                order: vec![order],
                is_global: Some(true),
            }))),
            RelationKind::Sort {
                input: Relation { plan_id: Some(4), ..t() },
                order: vec![key],
                global: true,
            },
        ),
        (
            rel(RelType::Join(Box::new(join))),
            RelationKind::Join(Join {
                left: t(),
                right: t(),
                kind: JoinType::LeftAnti,
                condition: JoinCondition::Using(vec!["a".into()]),
            }),
        ),
        (sql.clone(), text()),
        (
            beside(sql, view),
            RelationKind::With {
                input: text().into(),
                named: vec![("v".into(), t())],
                recursive: false,
            },
        ),
        (
            beside(table("t"), table("t")),
            RelationKind::WithReferences { input: t(), references: vec![t()] },
        ),
        (
            rel(RelType::Project(Box::new(pb::Project {
                input: None,
                expressions: vec![long(1)],
            }))),
            RelationKind::Project {
                input: RelationKind::OneRow.into(),
                expressions: vec![Expr::Literal(Literal::Long(1))],
            },
        ),
    ];
    let (seen, mut client) = connected().await;
    for (message, expected) in cases {
        assert_eq!(*converted(&mut client, &seen, message).await.unwrap().kind, expected);
    }
}

#[tokio::test]
async fn missing_or_unsupported_parts_are_named() {
    let unsupported = "UNSUPPORTED_FEATURE";
    let bad = "CONNECT_INVALID_PLAN";
    let map = pb::MapPartitions { input: boxed(table("t")), ..Default::default() };
    let stream = pb::Read { is_streaming: true, ..Default::default() };
    let scala =
        pb::common_inline_user_defined_function::Function::ScalarScalaUdf(Default::default());
    let udf = pb::CommonInlineUserDefinedFunction {
        function_name: "f".into(),
        function: Some(scala),
        ..Default::default()
    };
    let udt = pb::data_type::Udt { python_class: Some("m.Point".into()), ..Default::default() };
    let udt = pb::DataType { kind: Some(pb::data_type::Kind::Udt(Box::new(udt))) };
    let to_schema = pb::ToSchema { input: boxed(table("t")), schema: Some(udt) };
    let cases: Vec<(pb::Relation, &str, &str)> = vec![
        (pb::Relation::default(), bad, "relation.rel_type"),
        (rel(RelType::Filter(Box::default())), bad, "filter.input"),
        (rel(RelType::Read(pb::Read::default())), bad, "read.read_type"),
        (rel(RelType::Join(Box::default())), bad, "join.join_type"),
        (rel(RelType::Range(pb::Range::default())), bad, "range.step"),
        (rel(RelType::LocalRelation(pb::LocalRelation::default())), bad, "local_relation.data"),
        (project(vec![pb::Expression::default()]), bad, "expression.expr_type"),
        (project(vec![expr(ExprType::Cast(Box::default()))]), bad, "cast.expr"),
        (rel(RelType::MapPartitions(Box::new(map))), bad, "map_partitions.func"),
        (rel(RelType::Read(stream)), unsupported, "readStream"),
        (rel(RelType::Zip(Box::default())), unsupported, "zip"),
        (rel(RelType::Transpose(Box::default())), bad, "transpose.input"),
        (rel(RelType::AsOfJoin(Box::default())), "AS_OF_JOIN.UNSUPPORTED_DIRECTION", "direction"),
        (
            project(vec![expr(ExprType::CommonInlineUserDefinedFunction(udf))]),
            unsupported,
            "function f",
        ),
        (rel(RelType::ToSchema(Box::new(to_schema))), bad, "udt.sql_type"),
        (project(vec![column("a.`b")]), "INVALID_ATTRIBUTE_NAME_SYNTAX", "a.`b"),
    ];
    let (seen, mut client) = connected().await;
    for (message, class, named) in cases {
        let status = converted(&mut client, &seen, message).await.unwrap_err();
        assert_eq!(error_class(&status), class, "{status:?}");
        assert!(status.message().contains(named), "{named}: {}", status.message());
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the plan of a request is optional")]
fn command(command_type: pb::command::CommandType) -> Option<pb::Plan> {
    let command = pb::Command { command_type: Some(command_type) };
    Some(pb::Plan { op_type: Some(pb::plan::OpType::Command(command)) })
}

#[tokio::test]
async fn writes_become_commands_and_plans_may_be_compressed() {
    use pb::plan::compressed_operation::OpType;
    use pb::write_operation::{SaveMode as Mode, SaveType};
    let (seen, mut client) = connected().await;
    let write = pb::WriteOperation {
        input: Some(table("t")),
        source: Some("parquet".into()),
        save_type: Some(SaveType::Path("/tmp/x".into())),
        mode: Mode::Overwrite.into(),
        partitioning_columns: vec!["a".into()],
        ..Default::default()
    };
    let plain = command(pb::command::CommandType::WriteOperation(write));
    let Some(pb::plan::OpType::Command(message)) = plain.clone().unwrap().op_type else {
        panic!("a command is expected")
    };
    let compressed = |data: Vec<u8>| {
        let operation = pb::plan::CompressedOperation {
            data: data.into(),
            op_type: OpType::Command.into(),
            compression_codec: pb::CompressionCodec::Zstd.into(),
        };
        Some(pb::Plan { op_type: Some(pb::plan::OpType::CompressedOperation(operation)) })
    };
    let packed = zstd::encode_all(message.encode_to_vec().as_slice(), 1).unwrap();
    for plan in [plain, compressed(packed)] {
        let answers = run(&mut client, execute(&uuid(), &uuid(), plan)).await.unwrap();
        assert_eq!(answers.len(), 1, "only the end");
        let Some(Work::Command(Command::Write(write))) = seen.work.lock().unwrap().pop() else {
            panic!("a write is expected")
        };
        let expected = Write {
            input: t(),
            format: Some("parquet".into()),
            target: WriteTarget::Path("/tmp/x".into()),
            mode: SaveMode::Overwrite,
            partition_by: vec!["a".into()],
            options: vec![],
            bucket_by: None,
            sort_by: vec![],
        };
        assert_eq!(write, expected);
    }
    let garbage = execute(&uuid(), &uuid(), compressed(vec![1, 2, 3]));
    let status = run(&mut client, garbage).await.unwrap_err();
    assert_eq!(error_class(&status), "CONNECT_INVALID_PLAN.CANNOT_PARSE");
    // A small message that unpacks to more than the limit.
    let zeros = std::io::repeat(0);
    let bomb = zstd::encode_all(std::io::Read::take(zeros, 600 << 20), 1).unwrap();
    let status = run(&mut client, execute(&uuid(), &uuid(), compressed(bomb))).await.unwrap_err();
    assert_eq!(error_class(&status), "CONNECT_INVALID_PLAN.PLAN_SIZE_LARGER_THAN_MAX");
}

#[tokio::test]
async fn checkpoints_are_made_and_dropped_by_id() {
    use pb::command::CommandType;
    let (seen, mut client) = connected().await;
    let checkpoint = pb::CheckpointCommand {
        relation: Some(table("t")),
        local: true,
        eager: false,
        storage_level: None,
    };
    let made = execute(&uuid(), &uuid(), command(CommandType::CheckpointCommand(checkpoint)));
    let answers = run(&mut client, made).await.unwrap();
    let relation = answers.into_iter().find_map(|answer| match answer.response_type {
        Some(ResponseType::CheckpointCommandResult(result)) => result.relation,
        _ => None,
    });
    assert_eq!(relation.as_ref().unwrap().relation_id, "held");
    let dropped = pb::RemoveCachedRemoteRelationCommand { relation };
    let dropped = CommandType::RemoveCachedRemoteRelationCommand(dropped);
    run(&mut client, execute(&uuid(), &uuid(), command(dropped))).await.unwrap();
    let work = seen.work.lock().unwrap();
    let [Work::Checkpoint(made), Work::Command(dropped)] = &work[..] else { panic!("{work:?}") };
    assert!(made.local && !made.eager);
    assert_eq!(*dropped, Command::DropCheckpoint("held".to_owned()));
}

#[tokio::test]
async fn unsupported_commands_are_named() {
    use pb::command::CommandType;
    let (_, mut client) = connected().await;
    let cases = [
        (CommandType::WriteStreamOperationStart(Default::default()), "writeStream"),
        (CommandType::MlCommand(Default::default()), "MlCommand"),
        (CommandType::MergeIntoTableCommand(Default::default()), "MERGE INTO"),
        (CommandType::PipelineCommand(Default::default()), "pipelines"),
    ];
    for (message, named) in cases {
        let request = execute(&uuid(), &uuid(), command(message));
        let status = run(&mut client, request).await.unwrap_err();
        assert!(status.message().contains(named), "{named}: {}", status.message());
        let classes = &error_info(&status).metadata["classes"];
        assert!(classes.contains("java.lang.UnsupportedOperationException"));
    }
}

/// A chain of filters, as a program that extends its DataFrame in a loop makes it.
fn deep(levels: usize) -> pb::Relation {
    (0..levels).fold(table("t"), |input, _| {
        let condition = Some(column("a"));
        rel(RelType::Filter(Box::new(pb::Filter { input: boxed(input), condition })))
    })
}

#[test]
fn deep_plans_are_served_and_deeper_ones_are_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .unwrap();
    let asked = runtime.spawn(async {
        let fake = Fake::default();
        let seen = std::sync::Arc::clone(&fake.seen);
        let mut client = client(&serve(fake, None).await).await;
        for levels in [500, 1_900] {
            converted(&mut client, &seen, deep(levels)).await.unwrap();
        }
        let status = converted(&mut client, &seen, deep(2_100)).await.unwrap_err();
        assert!(status.message().contains("deeper than"), "{status:?}");
        let request = execute(&uuid(), &uuid(), root(deep(2_100)));
        let status = run(&mut client, request).await.unwrap_err();
        assert!(status.message().contains("deeper than"), "{status:?}");
    });
    runtime.block_on(asked).unwrap();
}
