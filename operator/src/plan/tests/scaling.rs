//! Executor counts that change while the application runs.

use super::*;

/// Advances to two running executors and a driver that wants two.
fn two(spec: Value) -> Scene {
    let mut scene = Scene::running(spec);
    scene.executor(0, PodState::Running);
    scene.executor(1, PodState::Running);
    scene.wish(2, &[]);
    assert_eq!(short(&scene.pass()), [""; 0]);
    scene
}

fn leaving(pass: &Pass) -> Vec<u64> {
    let facts = pass.facts.iter().flatten();
    facts.filter(|(_, fact)| matches!(fact, Fact::Leaving { .. })).map(|(id, _)| *id).collect()
}

#[test]
fn more_executors_are_created_without_a_restart() {
    let mut scene = two(json!({}));
    scene.edit(|spec| spec.executor.instances = Some(4));
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+pi-exec-2", "+pi-exec-3"]);
    let status = scene.status();
    assert_eq!((scene.state(), status.observed_generation), (State::Running, Some(2)));
    assert_eq!((status.executors.desired, status.execution_attempts), (4, 1));
    assert_eq!(status.selector.as_deref(), Some("firesteel.dev/app-name=pi,spark-role=executor"));
    // A later run starts with the count of that time.
    assert!(scene.submission().ends_with("-1"));
}

#[test]
fn surplus_executors_are_released_and_do_not_count_as_failed() {
    let mut scene = Scene::running(json!({ "executor": { "instances": 4 } }));
    for id in [0, 1, 3] {
        scene.executor(id, PodState::Running);
    }
    scene.executor(2, PodState::Pending { trouble: None });
    scene.wish(2, &[]);
    assert_eq!(short(&scene.pass()), [""; 0]);
    scene.edit(|spec| spec.executor.instances = Some(2));
    scene.seen.view = View::Cached;
    let hasty = scene.try_pass();
    assert!(hasty.refresh, "a watch may be late");
    let pass = scene.pass();
    // The one that does not run yet, and the newest.
    assert_eq!(
        (short(&pass), leaving(&pass)),
        (vec!["-pi-exec-2".into(), "-pi-exec-3".into()], vec![2, 3])
    );
    assert_eq!(pass.events[0].reason, "SparkExecutorsScaledDown");
    assert_eq!((scene.status().executors.desired, scene.status().executors.failed), (2, 0));
    // A pass over the same snapshot releases no more.
    let pass = scene.pass();
    assert_eq!((short(&pass).len(), scene.status().settled_executors), (2, vec![2, 3]));

    // One is terminating, one is gone at once; the driver has not noticed either.
    let ends_by = Timestamp::from_second(scene.seconds + 30).ok();
    scene.executor(3, PodState::Ended(end(143, "Error")));
    scene.seen.executors.get_mut(&3).unwrap().pod.ends_by = ends_by;
    scene.seen.executors.remove(&2);
    scene.seen.attached.as_mut().unwrap().reported = [0, 1, 2, 3].into();
    let pass = scene.pass();
    assert_eq!(short(&pass), [""; 0]);
    let facts = pass.facts.unwrap();
    assert!(matches!(facts[&2], Fact::Ended { .. }) && matches!(facts[&3], Fact::Ended { .. }));
    scene.seen.executors.remove(&3);
    scene.wish(2, &[2, 3]);
    assert_eq!(short(&scene.pass()), [""; 0]);
    let status = scene.status();
    assert_eq!((status.executors.completed, status.executors.failed), (2, 0));
    assert!(status.failures.is_empty() && status.settled_executors.is_empty(), "{status:?}");
}

#[test]
fn the_bounds_of_dynamic_allocation_are_followed_as_well() {
    let dynamic =
        |min: u32, max: u32| json!({ "enabled": true, "minExecutors": min, "maxExecutors": max });
    let mut scene = two(json!({ "dynamicAllocation": dynamic(1, 3), "executor": {} }));
    let mut bounds = |min, max| {
        scene.edit(|spec| {
            spec.dynamic_allocation = serde_json::from_value(dynamic(min, max)).unwrap();
        });
        let pass = scene.pass();
        assert_eq!(pass.bounds, Some(Bounds { min, max }), "the driver is told");
        assert_eq!(scene.state(), State::Running);
        short(&pass)
    };
    assert_eq!(bounds(3, 3), ["+pi-exec-2"]);
    assert_eq!(bounds(0, 1), ["-pi-exec-1"]);
    // Whether executors are allocated dynamically at all is another matter.
    scene.edit(|spec| spec.dynamic_allocation = None);
    scene.pass();
    assert_eq!(scene.state(), State::Invalidating);
}

#[test]
fn an_invalid_number_changes_nothing_that_runs() {
    let dynamic = json!({ "enabled": true, "maxExecutors": 3 });
    let mut scene = two(json!({ "dynamicAllocation": dynamic, "executor": {} }));
    scene.edit(|spec| spec.executor.instances = Some(9));
    assert_eq!(short(&scene.pass()), [""; 0]);
    assert_eq!(scene.state(), State::Running);
    assert_eq!(condition(&scene.status(), "Accepted"), ("False".into(), "Invalid".into()));
}

#[test]
fn the_number_in_the_settings_is_the_drivers_own() {
    let mut scene =
        two(json!({ "executor": {}, "sparkConf": { "spark.executor.instances": "2" } }));
    scene.edit(|spec| {
        spec.spark_conf.insert("spark.executor.instances".into(), "3".into());
    });
    scene.pass();
    assert_eq!(scene.state(), State::Invalidating);
}

#[test]
fn a_resource_profile_has_executors_of_its_own_within_the_same_bounds() {
    let dynamic = json!({ "enabled": true, "minExecutors": 1, "maxExecutors": 2 });
    let mut scene = two(json!({ "dynamicAllocation": dynamic, "executor": {} }));
    let large = ProfileId(1);
    let cores = std::num::NonZeroU32::new(3);
    let memory = Some(ByteSize::mib(2048));
    let request = ExecutorRequest { cores, memory, ..ExecutorRequest::default() };
    scene.wish_for(large, request, 9);
    let pass = scene.pass();
    assert_eq!(short(&pass), ["+pi-exec-2", "+pi-exec-3"]);
    assert_eq!(scene.status().executors.desired, 4);
    let Change::Create(Object::Pod(pod)) = &pass.changes[0] else { panic!("{pass:?}") };
    let read = |pod: &Pod| ExecutorFacts::read(pod).unwrap().1.profile;
    assert_eq!(read(pod), large);
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let requests = container.resources.as_ref().unwrap().requests.as_ref().unwrap();
    // The memory with an overhead of 0.4, which is that of Python programs.
    assert_eq!((&*requests["cpu"].0, &*requests["memory"].0), ("3", "2867Mi"));
    let variables = container.env.as_ref().unwrap();
    let settings = variables.iter().find(|one| one.name == "FIRESTEEL_SETTINGS").unwrap();
    let settings: Value = serde_json::from_str(settings.value.as_ref().unwrap()).unwrap();
    let of_executor = ["profile", "slots", "memory_bytes"].map(|key| settings[key].as_u64());
    assert_eq!(of_executor, [Some(1), Some(3), Some(2 << 30)]);

    for id in [2, 3] {
        scene.executor(id, PodState::Running);
        scene.seen.executors.get_mut(&id).unwrap().profile = large;
    }
    assert_eq!(short(&scene.pass()), [""; 0]);
    // One that is lost is replaced by one of its kind.
    scene.executor(2, PodState::Ended(end(137, "OOMKilled")));
    scene.seen.executors.get_mut(&2).unwrap().profile = large;
    let pass = scene.pass();
    let Change::Create(Object::Pod(pod)) = &pass.changes[0] else { panic!("{pass:?}") };
    assert_eq!((short(&pass), read(pod)), (vec!["+pi-exec-4".to_owned()], large));
}
