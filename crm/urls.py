"""The addresses of the screens, by area."""

from django.urls import path

from crm.views import (
    accounts,
    callbacks,
    campaigns,
    customers,
    handovers,
    levels,
    plan_customers,
    plans,
    preferences,
    saved_plans,
    staff,
    staff_files,
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
    path("customers/<int:pk>/timeline/", customers.customer_timeline, name="customer_timeline"),
    path("demo/enter/<slug:persona>/", accounts.demo_enter, name="demo_enter"),
    path("handovers/", handovers.handover_list, name="handover_list"),
    path("handovers/level/", levels.level_page, name="level_page"),
    path("handovers/<int:pk>/", handovers.handover_page, name="handover_page"),
    path("handovers/<int:pk>/propose/", plans.handover_propose, name="handover_propose"),
    path("handovers/<int:pk>/try/", plans.handover_try, name="handover_try"),
    path("handovers/<int:pk>/steps/<int:number>/", plans.handover_step, name="handover_step"),
    path("handovers/<int:pk>/customers/", plan_customers.plan_customers, name="plan_customers"),
    path("handovers/<int:pk>/move/", plan_customers.handover_move, name="handover_move"),
    path("handovers/<int:pk>/unmove/", plans.handover_unmove, name="handover_unmove"),
    path("handovers/<int:pk>/plans/", saved_plans.plan_save, name="plan_save"),
    path("handovers/<int:pk>/plans/compare/", saved_plans.plan_compare, name="plan_compare"),
    path("handovers/<int:pk>/plans/<int:saved>/take/", saved_plans.plan_take, name="plan_take"),
    path("handovers/<int:pk>/words/", plans.handover_words, name="handover_words"),
    path("handovers/<int:pk>/start/", plans.handover_start, name="handover_start"),
    path("handovers/<int:pk>/cancel/", handovers.handover_cancel, name="handover_cancel"),
    path("handovers/<int:pk>/reassign/", handovers.handover_reassign, name="handover_reassign"),
    path("handovers/<int:pk>/finish/", handovers.handover_finish, name="handover_finish"),
    path("handovers/<int:pk>/undo/", handovers.handover_undo, name="handover_undo"),
    path("handovers/<int:pk>/refresh/", handovers.handover_refresh, name="handover_refresh"),
    path(
        "handovers/<int:pk>/progress/", handovers.handover_progress_part, name="handover_progress"
    ),
    path("handovers/<int:pk>/report.csv", handovers.handover_report, name="handover_report"),
    path("me/", preferences.preferences, name="preferences"),
    path("staff/", staff.staff_list, name="staff_list"),
    path("staff/<int:pk>/", staff.staff_page, name="staff_page"),
    path("staff/<int:pk>/depart/", staff.staff_depart, name="staff_depart"),
    path("staff/files/", staff_files.staff_files, name="staff_files"),
    path("staff/files/<int:pk>/", staff_files.staff_file, name="staff_file"),
    path("staff/files/<int:pk>/start/", staff_files.staff_file_start, name="staff_file_start"),
    path(
        "staff/files/<int:pk>/report.csv", staff_files.staff_file_report, name="staff_file_report"
    ),
    path("staff/leaving/", staff.people_leaving, name="people_leaving"),
    path("staff/<int:pk>/leaving/", staff.staff_leaving, name="staff_leaving"),
    path("staff/<int:pk>/stay/", staff.staff_stay, name="staff_stay"),
    path("staff/<int:pk>/suspend/", staff.staff_suspend, name="staff_suspend"),
    path("staff/<int:pk>/resume/", staff.staff_resume, name="staff_resume"),
    path("staff/<int:pk>/rehire/", staff.staff_rehire, name="staff_rehire"),
    path("staff/<int:pk>/hand-over/", staff.staff_hand_over, name="staff_hand_over"),
    path("", today.today, name="today"),
]
