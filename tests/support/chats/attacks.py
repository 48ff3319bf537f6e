"""What strangers write in the hope that a service takes it for markup: by what would take it so."""

from __future__ import annotations

WORDS = {
    "address": "relay.example.org refused the recipient: 550 5.1.1 <c@d.test>: unknown & gone",
    "slack": "550 <!channel> <!here|here> <@U1> <@U1|ops> <#C1> <!subteam^S1> <http://evil.test|click> !channel> @U1>",
    "entities": "550 &lt;!channel&gt; &lt;@U1&gt; &amp;lt; &#60;b&#62; &nbsp; &quot; &bogus; &",
    "discord": "550 @everyone @here <@123> <@!123> <@&123> <#123> <:smile:123> <t:1> x@everyone \\@everyone \\<@123>",
    "mattermost": "550 @channel @all @ops.night (@here) ,@all @@channel <!all>",
    "markdown": "550 [click](http://evil.test) ![x](http://evil.test/x.png) **b** *i* __b__ _i_ `c` ~~s~~ ||h|| \\*e",
    "html": '550 <b>bold <a href="http://evil.test">click</a> <script>x()</script> </i> <br/> a<b>c <at>u</at>',
    "links": "550 tg://user?id=1 mailto://x ms-teams://x slack://x http://evil.test <http://evil.test> <tel:1>",
    "templates": "550 {{ event.id }} {% raw %} {{url}} {# gone #} ${x} %s :smile:",
    "played": "550 <@&>*_`",
}
