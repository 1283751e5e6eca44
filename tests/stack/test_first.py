async def test_first(stack, customer, fresh):
    name = fresh("first")
    app = stack.git.app("ahoy", name)
    stack.git.commit(name, app.files)
    accepted = await customer.order(name, stack.git.url(name))
    await customer.live(accepted)
    assert (await stack.visit(name)).text == "ahoy"
    assert len(stack.running_scripts(app.script)) == 1
    print(stack.marked(accepted["deployment_id"]), await customer.log_text(accepted["deployment_id"]))
    print(stack.app_processes())
async def test_build(stack, customer, fresh):
    name = fresh("build")
    app = stack.git.app("ahoy", name).building("print('BUILDING', file=sys.stderr)")
    stack.git.commit(name, app.files)
    accepted = await customer.order(name, stack.git.url(name))
    await customer.live(accepted)
    print(await customer.log_text(accepted["deployment_id"]))
