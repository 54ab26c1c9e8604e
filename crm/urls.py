"""The addresses of the screens, by area."""

from django.urls import path

from crm.views import (
    accounts,
    briefs,
    callbacks,
    campaigns,
    customers,
    handovers,
    preferences,
    staff,
    tasks,
    today,
)

urlpatterns = [
    path("callbacks/wecom/", callbacks.wecom_callback, name="wecom_callback"),
    path("campaigns/", campaigns.campaign_list, name="campaign_list"),
    path("campaigns/new/", campaigns.campaign_new, name="campaign_new"),
    path("campaigns/<int:pk>/", campaigns.campaign_page, name="campaign_page"),
    path("campaigns/<int:pk>/audience/", campaigns.campaign_audience, name="campaign_audience"),
    path("campaigns/<int:pk>/schedule/", campaigns.campaign_schedule, name="campaign_schedule"),
    path(
        "campaigns/<int:pk>/unschedule/", campaigns.campaign_unschedule, name="campaign_unschedule"
    ),
    path("campaigns/<int:pk>/pause/", campaigns.campaign_pause, name="campaign_pause"),
    path("campaigns/<int:pk>/resume/", campaigns.campaign_resume, name="campaign_resume"),
    path("campaigns/<int:pk>/cancel/", campaigns.campaign_cancel, name="campaign_cancel"),
    path("campaigns/<int:pk>/remind/", campaigns.campaign_remind, name="campaign_remind"),
    path("campaigns/<int:pk>/refresh/", campaigns.campaign_refresh, name="campaign_refresh"),
    path(
        "campaigns/<int:pk>/progress/", campaigns.campaign_progress_part, name="campaign_progress"
    ),
    path("customers/", customers.customer_list, name="customer_list"),
    path("customers/<int:pk>/", customers.customer_page, name="customer_page"),
    path(
        "customers/<int:pk>/interactions/",
        customers.customer_interactions,
        name="customer_interactions",
    ),
    path("customers/<int:pk>/tags/", customers.customer_tags, name="customer_tags"),
    path("customers/<int:pk>/tasks/", customers.customer_tasks, name="customer_tasks"),
    path("customers/<int:pk>/timeline/", customers.customer_timeline, name="customer_timeline"),
    path("demo/enter/<slug:persona>/", accounts.demo_enter, name="demo_enter"),
    path("handovers/", handovers.handover_list, name="handover_list"),
    path("handovers/<int:pk>/", handovers.handover_page, name="handover_page"),
    path("handovers/<int:pk>/propose/", handovers.handover_propose, name="handover_propose"),
    path("handovers/<int:pk>/start/", handovers.handover_start, name="handover_start"),
    path("handovers/<int:pk>/cancel/", handovers.handover_cancel, name="handover_cancel"),
    path("handovers/<int:pk>/reassign/", handovers.handover_reassign, name="handover_reassign"),
    path("handovers/<int:pk>/finish/", handovers.handover_finish, name="handover_finish"),
    path("handovers/<int:pk>/refresh/", handovers.handover_refresh, name="handover_refresh"),
    path(
        "handovers/<int:pk>/progress/", handovers.handover_progress_part, name="handover_progress"
    ),
    path("handovers/<int:pk>/briefs/", briefs.handover_briefs, name="handover_briefs"),
    path("handovers/<int:pk>/report.csv", handovers.handover_report, name="handover_report"),
    path("me/", preferences.preferences, name="preferences"),
    path("staff/", staff.staff_list, name="staff_list"),
    path("staff/<int:pk>/", staff.staff_page, name="staff_page"),
    path("staff/<int:pk>/depart/", staff.staff_depart, name="staff_depart"),
    path("staff/<int:pk>/hand-over/", staff.staff_hand_over, name="staff_hand_over"),
    path("tasks/", tasks.task_list, name="task_list"),
    path("tasks/add/", tasks.task_add, name="task_add"),
    path("tasks/<int:pk>/", tasks.task_page, name="task_page"),
    path("tasks/<int:pk>/done/", tasks.task_done, name="task_done"),
    path("tasks/<int:pk>/drop/", tasks.task_drop, name="task_drop"),
    path("tasks/<int:pk>/reschedule/", tasks.task_reschedule, name="task_reschedule"),
    path("tasks/<int:pk>/reassign/", tasks.task_reassign, name="task_reassign"),
    path("", today.today, name="today"),
]
